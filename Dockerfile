# The GPU build: `docker build -t driftbench .`, then, with a folder that user 10001
# may write into,
# `docker run --gpus all -v FOLDER:/out driftbench make gpu-check GPU=1 GPU_CHECK=/out/gpu-check`.
#
# The steps are the Makefile's own. NVIDIA's libraries come with TensorFlow's
# wheels; the base image has what the container runtime needs to pass a driver on.
FROM golang:1.26-bookworm AS go

FROM nvidia/cuda:12.6.3-base-ubuntu24.04
COPY --from=go /usr/local/go /usr/local/go
ENV PATH=/usr/local/go/bin:$PATH \
    DEBIAN_FRONTEND=noninteractive
SHELL ["/bin/bash", "-eu", "-o", "pipefail", "-c"]
# Versions are those of the base image's release.
# hadolint ignore=DL3008
RUN apt-get update -qq \
    && apt-get install -y -qq --no-install-recommends ca-certificates gcc g++ git make python3-venv python3-pip \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /home/user/driftbench
COPY Makefile ./
RUN make deps && rm -rf /var/lib/apt/lists/*
RUN useradd --uid 10001 --create-home user && chown -R user:user /home/user
USER 10001
COPY --chown=10001:10001 . .
RUN make build GPU=1
ENTRYPOINT []
CMD ["make", "gpu-check", "GPU=1"]
