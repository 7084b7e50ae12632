# `make serve` needs nothing but Python 3.11 or newer; so do the others.
#
#   make serve      install what is needed and run the server
#   make test       install what tests need; check and run everything
#   make check      only the quick part: style, types, layers, the documentation
#   make docs       the documentation as a site: build/docs/index.html
#   make package    build wheel and sdist into dist/, install the wheel apart, have it speak
#   make constraints    write constraints.txt anew (UPGRADE=--upgrade: with what is newest)
#   make lowest     the tests of what is ours with the oldest versions that pyproject.toml allows
#   make highest    the same with the newest
#   make bench      measure the server on this machine (benchmarks/online)
#   make bench-streams  many listeners at once, and requests at random moments (benchmarks/streams)
#   make bench-cold     from a request to the first sound with nothing loaded (benchmarks/cold)
#   make bench-offline  Qwen3-TTS beside its official package: 6 GB of memory, about an hour
#   make scale      clients' tests through HAProxy, servers that die behind it, and what
#                   they share (Debian: apt install haproxy redis-server)
#   make bench-scale    what the proxy costs, and what clients notice of a server's end (benchmarks/scale)
#   make bench-replicas  Ray Serve beside one server; a shared cache that hangs (benchmarks/replicas)
#   make gpu        on a machine with a CUDA card: its tests, then every figure, beside faster-qwen3-tts
#   make gpu-engine the same for the engine alone: its tests and its frames, without the peer
#   make kernels    compile every kernel for every card, without one, and hold them to their budgets
#   make soak       20 minutes of mixed load: nothing may leak (SOAK_MINUTES=5: a shorter run)
#   make clients    install clients people use (LiveKit, Pipecat, ...) and run them against a server
#   make ray        install Ray Serve (490 MB) and have replicas of the server behind it
#   make page       drive the web page in Chromium (Debian: apt install chromium)
#   make check-deploy   the files under deploy/, which `make check` includes
#   make image-steps    carry out the Dockerfile in a fresh Debian (as root; apt install debootstrap)
#   make newcomer   clone, install and serve in an empty folder, as the README says
#   make goldens    have the official Qwen3-TTS package make again what tests compare with
#   make parity     compare with that package live: 12 GB of memory, ten minutes

PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11 python; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
OFFICIAL := .venv-official
# The tests that tell whether the libraries still do what they did.
OF_LIBRARIES := tests/audio tests/engine/test_contract.py tests/engine/test_embedded.py \
	$(addprefix tests/engine/qwen3/test_,goldens.py loading.py onnx.py tokens.py weights.py) \
	$(addprefix tests/service/test_,cache_shared.py keys.py records.py tracing.py) \
	$(addprefix tests/api/test_,first_download.py live_socket.py openai_sdk.py openapi.py page.py \
		plain_streams.py qwen3_server.py streaming.py text.py voices.py) \
	$(addprefix tests/test_,cli.py mcp.py privacy.py recognised.py settings.py speaker.py wyoming.py)
FASTER := .venv-faster
CLIENTS := .venv-clients
RAY := .venv-ray
SOAK_MINUTES ?= 20
UPGRADE ?=

.PHONY: serve test check docs check-deploy check-chart check-unit check-workflows
.PHONY: bench bench-streams bench-cold bench-offline bench-scale bench-replicas gpu gpu-engine
.PHONY: soak scale ray clients page newcomer image-steps kernels goldens parity
.PHONY: package constraints lowest highest clean

serve: $(VENV)/installed
	$(BIN)/vivavoce serve

test: check
	$(BIN)/python -m pytest -n 2 --dist loadfile

check: docs check-deploy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

check-deploy: $(VENV)/installed-test
	$(BIN)/hadolint deploy/docker/Dockerfile
	$(BIN)/shellcheck deploy/docker/entrypoint.sh
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.compose-spec deploy/docker/compose.yaml

check-deploy: check-chart

check-chart: $(VENV)/installed-deploy
	$(BIN)/python -m pytest -m chart tests/deploy/test_chart.py

docs: $(VENV)/installed-test
	$(BIN)/python -m sphinx --quiet --fresh-env --fail-on-warning --keep-going docs build/docs

check-deploy: check-unit check-workflows

check-unit:
	@deploy/systemd/check

check-workflows: $(VENV)/installed-test
	$(BIN)/zizmor --quiet --offline --persona pedantic .github/workflows
	@! command -v actionlint > /dev/null || actionlint

package: $(VENV)/installed-package
	rm -rf dist
	$(BIN)/python -m hatchling build -d dist
	$(BIN)/twine check --strict dist/*
	$(BIN)/python -m pytest -m package -s tests/package

constraints: $(VENV)/installed-package
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --all-extras --no-annotate \
		--custom-compile-command "make constraints" --output-file constraints.txt $(UPGRADE) \
		pyproject.toml requirements-test.txt requirements-package.txt requirements-browser.txt \
		requirements-deploy.txt

lowest: $(VENV)/installed-package
	mkdir -p build
	$(BIN)/uv pip compile --quiet --no-deps --all-extras --resolution lowest-direct --only-binary :all: \
		--python $(BIN)/python --no-emit-package torch --output-file build/lowest.txt pyproject.toml
	$(call test_with,.venv-lowest,--constraint build/lowest.txt)

highest: $(VENV)/installed-package
	$(call test_with,.venv-highest,)

# An environment of its own, what uv is told, and the tests that tell whether libraries still do what
# they did. torch comes first, by pip, which knows where a CPU build lies.
define test_with
	$(BIN)/python -m venv --clear $(1)
	$(1)/bin/python -m pip --disable-pip-version-check --quiet install torch==2.13.0
	$(BIN)/uv pip install --quiet --python $(1) --editable '.[all]' --requirement requirements-test.txt $(2)
	$(1)/bin/python -m pytest -n 2 --dist loadfile $(OF_LIBRARIES)
endef

bench: $(VENV)/installed-test
	$(BIN)/python -m benchmarks.online

bench-streams: $(VENV)/installed-test
	$(BIN)/python -m benchmarks.streams

bench-cold: $(VENV)/installed-test
	$(BIN)/python -m benchmarks.cold

bench-scale: $(VENV)/installed-test
	$(BIN)/python -m benchmarks.scale

bench-offline: $(VENV)/installed-test $(OFFICIAL)/installed
	$(BIN)/python -m benchmarks.offline

gpu: $(VENV)/installed-test $(OFFICIAL)/installed $(FASTER)/installed
	$(BIN)/python -m pytest -m gpu
	mkdir -p build
	$(BIN)/python -m benchmarks.kernels --json build/kernels-gpu.json
	$(BIN)/python -m benchmarks.gpu
	$(BIN)/python -m benchmarks.offline --device cuda --json build/offline-gpu.json
	DEVICE=cuda $(BIN)/python -m benchmarks.streams --json build/streams-gpu.json \
		--model $${TMPDIR:-/tmp}/vivavoce-offline/0.6b-custom-voice
	$(BIN)/python -m benchmarks.page

gpu-engine: $(VENV)/installed-test
	$(BIN)/python -m pytest -m gpu
	$(BIN)/python -m benchmarks.gpu --engine
	$(BIN)/python -m benchmarks.page

kernels: $(VENV)/installed-test
	$(BIN)/python -m benchmarks.kernels.compiled

soak: $(VENV)/installed-test
	PYTHONPATH=tests $(BIN)/python -m soak --minutes $(SOAK_MINUTES)
	$(BIN)/python -m pytest -m soak tests/service

scale: $(VENV)/installed-test
	$(BIN)/python -m pytest -m scale tests/with_proxy tests/scale
	VIVAVOCE_TEST_PROXY=haproxy $(BIN)/python -m pytest -n 2 --dist loadfile tests/api

clients: $(CLIENTS)/installed
	$(CLIENTS)/bin/python -m pytest -W ignore -m clients tests/with_clients

page: $(VENV)/installed-test
	$(PIP) install --requirement requirements-browser.txt
	$(BIN)/python -m pytest -m browser tests/with_browser

newcomer: $(VENV)/installed-test
	$(BIN)/python -m pytest -m slow -s tests/test_newcomer.py

bench-replicas: $(VENV)/installed-test $(RAY)/installed
	PYTHONPATH=tests $(BIN)/python -m benchmarks.replicas

ray: $(VENV)/installed-test $(RAY)/installed
	$(BIN)/python -m pytest -m ray tests/with_ray

image-steps: $(VENV)/installed-test
	$(BIN)/python -m pytest -m slow -s tests/deploy/test_image.py

goldens: $(OFFICIAL)/installed
	cd tests/engine/qwen3 && ../../../$(OFFICIAL)/bin/python make_goldens.py

parity: $(OFFICIAL)/installed
	cd tests/engine/qwen3 && PYTHONPATH=../../../src ../../../$(OFFICIAL)/bin/python parity.py

clean:
	rm -rf $(VENV) $(OFFICIAL) $(FASTER) $(CLIENTS) $(RAY) .venv-lowest .venv-highest

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "vivavoce needs Python 3.11 or newer: none was found on the PATH."; exit 1; }
	@echo "Making a virtual environment in $(VENV) with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv $(VENV) || { echo "On Debian and Ubuntu this needs: apt install python3-venv"; exit 1; }

$(VENV)/installed: pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "Installing vivavoce and what it needs"
	@$(PIP) install --constraint constraints.txt --editable .
	@touch $@

$(VENV)/installed-test: pyproject.toml constraints.txt requirements-test.txt | $(VENV)/bin/python
	@echo "Installing vivavoce and what its tests need"
	@$(PIP) install --constraint constraints.txt --requirement requirements-test.txt --editable .
	@touch $@ $(VENV)/installed

$(VENV)/installed-deploy: requirements-deploy.txt $(VENV)/installed-test
	@echo "Installing what looks at deploy/"
	@$(PIP) install --constraint constraints.txt --requirement requirements-deploy.txt
	@touch $@

$(VENV)/installed-package: requirements-package.txt $(VENV)/installed-test
	@echo "Installing what builds and checks the package"
	@$(PIP) install --constraint constraints.txt --requirement requirements-package.txt
	@touch $@

$(OFFICIAL)/installed:
	@echo "Installing the official Qwen3-TTS package"
	@$(PYTHON) -m venv $(OFFICIAL)
	@$(OFFICIAL)/bin/pip install --quiet torch==2.13.0
	@$(OFFICIAL)/bin/pip install --quiet transformers==4.57.3 accelerate==1.12.0 librosa soundfile einops rich
	@$(OFFICIAL)/bin/pip install --quiet --no-deps qwen-tts==0.1.1
	@touch $@

$(FASTER)/installed:
	@echo "Installing faster-qwen3-tts"
	@$(PYTHON) -m venv $(FASTER)
	@$(FASTER)/bin/pip install --quiet faster-qwen3-tts==0.5.4
	@touch $@

$(CLIENTS)/installed: pyproject.toml requirements-clients.txt
	@echo "Installing the clients"
	@$(PYTHON) -m venv $(CLIENTS)
	@$(CLIENTS)/bin/python -m pip --disable-pip-version-check --quiet install \
		--requirement requirements-clients.txt --editable .
	@! command -v npm > /dev/null || npm install --silent --no-fund --no-audit --prefix $(CLIENTS) openai@6
	@touch $@

$(RAY)/installed: pyproject.toml constraints.txt
	@echo "Installing Ray Serve"
	@$(PYTHON) -m venv $(RAY)
	@$(RAY)/bin/python -m pip --disable-pip-version-check --quiet install \
		--constraint constraints.txt --editable '.[ray]'
	@touch $@
