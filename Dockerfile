# The image that helm/rfeventd runs: two stages on Debian 12, the second with libraries and the
# PostgreSQL server alone.
#
#   docker build -t rfeventd .
#   docker build -t rfeventd --build-arg PRIVATE_POSTGRESQL=no .    for an external PostgreSQL only

FROM debian:12-slim AS build
RUN apt-get update && apt-get install -y --no-install-recommends make
WORKDIR /src
COPY Makefile VERSION ./
COPY scripts/deps scripts/
RUN make deps
COPY . .
RUN make -j"$(nproc)" install DEPS=no PREFIX=/usr DESTDIR=/image

FROM debian:12-slim
ARG PRIVATE_POSTGRESQL=yes
# Debian's package would make a cluster of its own: rfeventd brings its own.
RUN mkdir -p /etc/postgresql-common \
	&& echo 'create_main_cluster = false' >/etc/postgresql-common/createcluster.conf \
	&& apt-get update \
	&& apt-get install -y --no-install-recommends \
		ca-certificates \
		libarchive13 \
		libcrypt1 \
		libcurl4 \
		libicu72 \
		libjansson4 \
		libjemalloc2 \
		libnghttp2-14 \
		libpq5 \
		libssl3 \
		libwebsockets17 \
		libyaml-0-2 \
		zlib1g \
		$([ "$PRIVATE_POSTGRESQL" = no ] || echo postgresql) \
	&& rm -rf /var/lib/apt/lists/*
# By a name that PostgreSQL can find; the number is the one of the chart's podSecurityContext.
RUN groupadd --gid 10001 rfeventd \
	&& useradd --uid 10001 --gid rfeventd --home-dir /var/lib/rfeventd --no-create-home \
		--shell /usr/sbin/nologin rfeventd \
	&& install -d -o rfeventd -g rfeventd -m 0711 /var/lib/rfeventd
COPY --from=build /image/usr /usr
USER 10001:10001
VOLUME /var/lib/rfeventd
EXPOSE 8443 9443
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/bin/rfeventd"]
