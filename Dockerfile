# syntax=docker/dockerfile:1

# The image of the server: one binary with the playground inside, on a base without a shell.
# What the build may see is listed in .dockerignore.

FROM node:24-bookworm-slim AS playground
WORKDIR /playground
COPY playground/package.json playground/package-lock.json ./
RUN --mount=type=cache,target=/root/.npm npm ci --omit=dev --ignore-scripts --no-audit --no-fund
COPY playground/ ./
RUN npm run build

FROM rust:1.95-slim-bookworm AS build
WORKDIR /boards
COPY . .
COPY --from=playground /playground/dist playground/dist
# The target folder is a cache and not part of the layer, so the binary is copied out in the same step.
RUN --mount=type=cache,target=/usr/local/cargo/registry,sharing=locked \
    --mount=type=cache,target=/boards/target,sharing=locked \
    cargo build --release --features playground --locked --bin boards \
    && install -D target/release/boards /out/boards \
    && install -d /out/data

FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /out/boards /usr/local/bin/boards
# A new volume takes the owner of the folder that it covers.
COPY --from=build --chown=65532:65532 /out/data /data
ENV BOARDS_DATA_DIR=/data \
    BOARDS_API_HOST=0.0.0.0 \
    BOARDS_API_PORT=8088
USER 65532:65532
VOLUME /data
EXPOSE 8088
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --start-interval=1s --retries=3 CMD ["boards", "health"]
ENTRYPOINT ["boards"]
CMD ["serve", "--migrate"]
