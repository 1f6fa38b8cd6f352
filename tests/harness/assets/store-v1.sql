BEGIN TRANSACTION;
CREATE TABLE migrations (
	number INTEGER NOT NULL, 
	name VARCHAR(200) NOT NULL, 
	time VARCHAR(40) NOT NULL, 
	PRIMARY KEY (number)
);
INSERT INTO "migrations" VALUES(1,'keep records','2026-11-24T02:57:44.261859+00:00');
CREATE TABLE records (
                record_id VARCHAR(64) PRIMARY KEY,
                content_id VARCHAR(64) NOT NULL,
                strategy VARCHAR(64) NOT NULL,
                stage VARCHAR(16) NOT NULL,
                seed INTEGER NOT NULL,
                status VARCHAR(16) NOT NULL,
                settled SMALLINT NOT NULL,
                time VARCHAR(40) NOT NULL,
                body TEXT NOT NULL
            );
INSERT INTO "records" VALUES('d05647aaa1ec690fe70752b923dad2ab2fc161a56c3138fde36290c5ac0f8c42','d5636cfe3a4810f460985447bb4848eff2b1cdbf253bf5fb020f7dcc6179e978','linear_probe','search',0,'done',1,'2026-01-01','{"schema_version":1,"asked":{"protocol":"fair","stage":"search","model":{"name":"m","family":"encoder","params":1,"digest":"d"},"task":"classification","data":"data","data_digest":"e","strategy":"linear_probe","hyperparameters":{"c":1.0},"examples":8,"seed":0,"metric":"accuracy","max_tokens":128,"test_examples":10,"budget_seconds":null},"happened":{"status":"done","error":null,"trace":null,"scores":{"validation":{"accuracy":0.5}},"per_class":{},"predictions":"predictions/a.npz","limit_seconds":null,"seconds":1.5,"charged_seconds":0.0,"reused_seconds":0.0,"score_seconds":{},"flops":null,"peak_memory_bytes":1000000000,"start_memory_bytes":null,"trained_parameters":null,"steps":0,"curve":[{"step":1.0}],"chosen":{"template":"topic","layers":[1,2]},"artefact_bytes":null},"on":{"package_version":"0","versions":{},"device":"cpu","threads":1,"commit":null,"dirty":null,"time":"2026-01-01"}}');
INSERT INTO "records" VALUES('9c775bdfb3dc139778e2819a18b54082a0c2a5c95ec4baae9cce3a80efd4ac18','0c3e99b9eea2b31089afee59e6a8ea34a353c9b61f82ad882c51f24196d36a3c','linear_probe','search',1,'failed',1,'2026-01-02','{"schema_version":1,"asked":{"protocol":"fair","stage":"search","model":{"name":"m","family":"encoder","params":1,"digest":"d"},"task":"classification","data":"data","data_digest":"e","strategy":"linear_probe","hyperparameters":{"c":1.0},"examples":8,"seed":1,"metric":"accuracy","max_tokens":128,"test_examples":10,"budget_seconds":null},"happened":{"status":"failed","error":"ValueError: no","trace":"Traceback","scores":{},"per_class":{},"predictions":null,"limit_seconds":null,"seconds":0.0,"charged_seconds":0.0,"reused_seconds":0.0,"score_seconds":{},"flops":null,"peak_memory_bytes":null,"start_memory_bytes":null,"trained_parameters":null,"steps":0,"curve":[],"chosen":{},"artefact_bytes":null},"on":{"package_version":"0","versions":{},"device":"cpu","threads":1,"commit":null,"dirty":null,"time":"2026-01-02"}}');
CREATE UNIQUE INDEX records_settled ON records (content_id) WHERE settled = 1;
CREATE INDEX records_content ON records (content_id);
COMMIT;
