"""Subword vocabularies trained on the text at hand, as tokenizers that transformers loads."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from tokenizers import (
    Regex,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)
from transformers import AutoTokenizer, PreTrainedTokenizerFast
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from advisor.errors import ModelError, SpecError
from harness.pretrain.base import Document

SMALLEST = 400
"""Tokens of a vocabulary at least: all bytes, or T5's sentinels and the letters, fit."""


def word_pieces(lines: Sequence[str], vocabulary: int) -> PreTrainedTokenizerFast:
    """BERT's: lower-cased WordPiece, `[CLS] a [SEP] b [SEP]` (Devlin et al. 2019, section 3)."""
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    trainer = trainers.WordPieceTrainer(
        vocab_size=vocabulary, special_tokens=special, show_progress=False
    )
    tokenizer.train_from_iterator(_unframed(lines), trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    names = ("pad_token", "unk_token", "cls_token", "sep_token", "mask_token")
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_input_names=["input_ids", "token_type_ids", "attention_mask"],
        **dict(zip(names, special, strict=True)),
    )


def byte_pairs(lines: Sequence[str], vocabulary: int) -> PreTrainedTokenizerFast:
    """GPT-2's: pairs of bytes, so that nothing is unknown (Radford et al. 2019, section 2.2)."""
    end = "<|endoftext|>"
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[end],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(lines, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token=end, eos_token=end, unk_token=end
    )


def unigram(
    lines: Sequence[str], vocabulary: int, special: dict[str, str], extra: Sequence[str] = ()
) -> PreTrainedTokenizerFast:
    """SentencePiece's unigram model (Kudo 2018), as T5 has it; texts end with eos.

    Args:
        special: Role ("pad_token", "eos_token", …) -> token, in the order of their numbers.
        extra: Further tokens that text never holds, such as sentinels.
    """
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFKC(), normalizers.Replace(Regex(r"\s+"), " ")]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=vocabulary,
        special_tokens=[*special.values(), *extra],
        unk_token=special["unk_token"],
        show_progress=False,
    )
    tokenizer.train_from_iterator(_unframed(lines), trainer)
    end = special["eos_token"]
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"$A {end}",
        pair=f"$A {end} $B {end}",
        special_tokens=[(end, tokenizer.token_to_id(end))],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, additional_special_tokens=list(extra), **special
    )


def load_tokenizer(folder: Path, needs: Iterable[str] = ()) -> PreTrainedTokenizerBase:
    """The tokenizer of a model folder.

    Args:
        needs: Roles it must have, such as "mask_token".

    Raises:
        ModelError: If there is none, or it lacks a role.
    """
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder)
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ModelError(f"{folder} holds no tokenizer that can be read ({reason}).") from error
    return with_roles(tokenizer, needs)


def with_roles(
    tokenizer: PreTrainedTokenizerBase | None, needs: Iterable[str]
) -> PreTrainedTokenizerBase:
    """The tokenizer, if it has these special tokens.

    Raises:
        ModelError: If it lacks one.
    """
    missing = [role for role in needs if getattr(tokenizer, role, None) is None]
    if tokenizer is None or missing:
        raise ModelError(
            f"the tokenizer has no {', '.join(missing)}; leave out --tokenizer to train one."
        )
    return tokenizer


def check_vocabulary(vocabulary: int) -> int:
    """Raises SpecError if a vocabulary is too small to be trained."""
    if vocabulary < SMALLEST:
        raise SpecError(f"vocabulary must be {SMALLEST} tokens or more; got {vocabulary}.")
    return vocabulary


def token_rows(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]) -> list[list[int]]:
    """Tokens of each text without special ones. WikiText's "<unk>" is the unknown token."""
    if not texts:
        return []
    named = [text.replace("<unk>", tokenizer.unk_token or "<unk>") for text in texts]
    return tokenizer(named, add_special_tokens=False, verbose=False)["input_ids"]


def blocks(
    tokenizer: PreTrainedTokenizerBase,
    documents: Sequence[Document],
    length: int,
    between: Sequence[int] = (),
) -> list[list[int]]:
    """Documents one behind the other, cut into rows of `length` tokens; the rest is left out.

    Args:
        between: Tokens put behind each document.
    """
    stream: list[int] = []
    for row in token_rows(tokenizer, ["\n".join(document) for document in documents]):
        stream += [*row, *between]
    return [stream[at : at + length] for at in range(0, len(stream) - length + 1, length)]


def _unframed(lines: Iterable[str]) -> Iterable[str]:
    """Without WikiText's mark of words left out: no vocabulary should spell it."""
    return (line.replace("<unk>", " ") for line in lines)
