"""Everything registered, one line each."""

from __future__ import annotations

from harness.registry import Registry

STRATEGIES = Registry(
    "strategy",
    {
        "linear_probe": "harness.strategies.linear_probe:LinearProbe",
        "full_finetune": "harness.strategies.full_finetune:FullFineTuning",
        "hard_prompt": "harness.strategies.hard_prompt:HardPrompting",
        "soft_prompt": "harness.strategies.soft_prompt:SoftPrompting",
        "lora": "harness.strategies.lora:Lora",
        "ia3": "harness.strategies.ia3:Ia3",
        "lp_ft": "harness.strategies.lp_ft:LpFt",
        "from_scratch": "harness.strategies.from_scratch:FromScratch",
    },
)

BACKBONES = Registry(
    "family",
    {
        "encoder": "harness.backbones.encoder:EncoderBackbone",
        "decoder": "harness.backbones.decoder:DecoderBackbone",
        "encoder_decoder": "harness.backbones.encoder_decoder:EncoderDecoderBackbone",
        "lstm": "harness.backbones.lstm:LstmBackbone",
        "convnet": "harness.backbones.convnet:ConvNetBackbone",
        "vit": "harness.backbones.vit:VitBackbone",
        "clip": "harness.backbones.clip:ClipBackbone",
        "api": "harness.backbones.api:ApiBackbone",
    },
)

TASKS = Registry(
    "task",
    {
        "classification": "harness.tasks.classification:Classification",
        "pair_classification": "harness.tasks.pair_classification:PairClassification",
        "qa": "harness.tasks.qa:QuestionAnswering",
        "generation": "harness.tasks.generation:Generation",
        "translation": "harness.tasks.translation:Translation",
        "token_labelling": "harness.tasks.token_labelling:TokenLabelling",
        "localization": "harness.tasks.localization:Localization",
        "regression": "harness.tasks.regression:Regression",
    },
)

DATASETS = Registry(
    "data source",
    {
        "boxes": "harness.datasets.boxes:BoxSource",
        "image_table": "harness.datasets.image_table:ImageTableSource",
        "csv": "harness.datasets.csv_file:CsvSource",
        "conll": "harness.datasets.conll_file:ConllSource",
        "image_folder": "harness.datasets.image_folder:ImageFolderSource",
        "builtin": "harness.datasets.builtin:BuiltinSource",
    },
)

OBJECTIVES = Registry(
    "objective",
    {
        "masked_tokens": "harness.pretrain.masked_tokens:MaskedTokens",
        "span_corruption": "harness.pretrain.span_corruption:SpanCorruption",
        "next_token": "harness.pretrain.next_token:NextToken",
        "masked_autoencoder": "harness.pretrain.masked_autoencoder:MaskedAutoencoder",
        "denoising": "harness.pretrain.denoising:Denoising",
    },
)

EXECUTORS = Registry(
    "executor",
    {
        "local": "harness.executors.local:LocalExecutor",
        "ray": "harness.executors.ray:RayExecutor",
    },
)
