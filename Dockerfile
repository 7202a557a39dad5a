# The image of all apps, for releases. It holds what the local platform runs: tools/fill-image.ts fills it from the
# Debian packages, the Node and the bundles that tools/local packs, and tools/dockerfile.test.ts compares the rest.
#
#   docker buildx build --platform linux/amd64,linux/arm64 --tag REPOSITORY:TAG --push .
#
# Name the builder by digest in a release: --build-arg BUILDER=node:24-bookworm@sha256:...
ARG BUILDER=node:24-bookworm

# Runs on the builder's own architecture only, whatever it builds for: no emulator is needed.
FROM --platform=$BUILDPLATFORM ${BUILDER} AS build
WORKDIR /src
COPY . .
RUN make bundle
ARG TARGETARCH
RUN node tools/fill-image.ts /image ${TARGETARCH}

FROM scratch
COPY --from=build /image /
ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
ENV NODE_ENV=production
WORKDIR /app
USER 65532:65532
# One entry point per app: its bundle is the argument, cluster-controller.mjs for one.
ENTRYPOINT ["/usr/local/bin/node"]
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Slotkeeper" \
      org.opencontainers.image.description="Runs Redis and Valkey on Kubernetes and writes down everything it does" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
