# mono_depth_ros without building anything: an environment, the demo, the tests.
#
#   make demo              real ROS 2 nodes turn images into depth and clouds
#   make demo IMAGES=DIR   the same on your own images, video or bag
#   make test              the whole test-suite
#   make test ARGS=...     what pytest is told to run
#   make venv              the environment alone
#
# With ROS sourced, that ROS is used, and the environment is .venv-ros. Otherwise ROS 2 comes as
# wheels, into .venv like the rest.

PYTHON ?= python3
ROS := $(if $(ROS_DISTRO),$(shell $(PYTHON) -c 'import rclpy; print("sourced")' 2>/dev/null))
VENV ?= $(if $(ROS),.venv-ros,.venv)
IMAGES ?= $(wildcard ../shared/data/kitchen)
OUTPUT ?= demo_output
BACKENDS ?= openvino,onnxruntime,torch
TORCH ?= torch==2.13.0
# PyTorch without CUDA is 190 MB, with it 3 GB: only a machine with an NVIDIA GPU takes the latter.
TORCH_INDEX ?= $(if $(shell command -v nvidia-smi),,https://download.pytorch.org/whl/cpu)

PIP = $(VENV)/bin/python -m pip --disable-pip-version-check --quiet
JAZZY = .venv-jazzy
STAMP = $(VENV)/.installed
# Humble always checks the types of what is put into a message, the others do if they are asked to.
TEST_ENV = OMP_NUM_THREADS=1 PYTHONUNBUFFERED=1 ROS_PYTHON_CHECK_FIELDS=1

.PHONY: all venv demo test test-chosen test-core test-ros test-jazzy lint clean
.NOTPARALLEL:

all: demo

venv: $(STAMP)

demo: $(STAMP)
	@$(VENV)/bin/mono_depth demo $(if $(IMAGES),'$(IMAGES)') --output '$(OUTPUT)'

# Nodes want the machine for themselves, the rest does not care.
test: $(if $(ARGS),test-chosen,test-core test-ros)

test-chosen: $(STAMP)
	$(TEST_ENV) $(VENV)/bin/python -m pytest $(ARGS)

test-core: $(STAMP)
	$(TEST_ENV) $(VENV)/bin/python -m pytest -m 'not ros' -n logical $(ARGS)

test-ros: $(STAMP)
	$(TEST_ENV) $(VENV)/bin/python -m pytest -m ros $(ARGS)

# The nodes once more, on the other ROS distribution and without torch.
test-jazzy: $(JAZZY)/.installed
	$(TEST_ENV) $(JAZZY)/bin/python -m pytest -m ros test/nodes test/test_imports.py \
	  --ignore test/nodes/test_reloads.py $(ARGS)

lint: $(VENV)/.lint
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	MYPYPATH=$(VENV)/tensorrt_types $(VENV)/bin/mypy

clean:
	rm -rf .venv .venv-ros $(JAZZY) build install log demo_output *.egg-info
	find . -name __pycache__ -prune -exec rm -rf {} +

define new_venv
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))' || { \
	  echo "mono_depth_ros needs Python 3.10 to 3.13, $(PYTHON) is `$(PYTHON) --version 2>&1`:" \
	       "name another one, e.g. make PYTHON=python3.12" >&2; exit 1; }
	@[ -x $(1)/bin/pip ] || { echo 'Making $(1): the first time takes a few minutes.'; \
	  $(PYTHON) -m venv $(2) $(1); } || { rm -rf $(1); \
	  echo 'Cannot make a virtual environment. On Debian and Ubuntu:' \
	       'sudo apt install python3-venv' >&2; exit 1; }
endef

$(STAMP): setup.py pyproject.toml
	$(call new_venv,$(VENV),$(if $(ROS),--system-site-packages))
ifeq ($(ROS),sourced)
	@echo 'numpy<2' > $(VENV)/constraints.txt
	@$(PIP) install --constraint $(VENV)/constraints.txt -e '.[$(BACKENDS),bag,test]'
else
	@[ "`uname -sm`" = 'Linux x86_64' ] || { echo 'There are ROS wheels for Linux on x86-64 only:' \
	  'on this machine source a ROS 2 installation first' >&2; exit 1; }
ifneq (,$(findstring torch,$(BACKENDS)))
	@# Alone first, so that only torch itself is looked for in its own index.
	@$(PIP) install --no-deps $(if $(TORCH_INDEX),--retries 0 --index-url $(TORCH_INDEX)) '$(TORCH)' \
	  2>/dev/null || $(PIP) install '$(TORCH)'
	@$(PIP) install '$(TORCH)' -e '.[$(BACKENDS),bag,ros,test]'
else
	@$(PIP) install -e '.[$(BACKENDS),bag,ros,test]'
endif
endif
	@# Types only; without them the tests of the TensorRT double say that they skip.
	-@$(VENV)/bin/python scripts/tensorrt_types.py
	@touch $@

$(JAZZY)/.installed: setup.py pyproject.toml
	$(call new_venv,$(JAZZY))
	@$(JAZZY)/bin/python -m pip --disable-pip-version-check --quiet install \
	  -e '.[openvino,onnxruntime,bag,ros-jazzy,test]'
	@touch $@

$(VENV)/.lint: $(STAMP)
	@$(PIP) install -e '.[lint]'
	@touch $@
