# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A real nginx in namespace gw: TLS, HTTP/1.1 and HTTP/2, a JSON endpoint, an upload sink, downloads.

# gateway_certificate: a CA in ca.pem, a certificate for api.example signed by it; or those in NFTWARD_CERTIFICATES.
gateway_certificate() {
	if [[ -n ${NFTWARD_CERTIFICATES:-} ]]; then
		cp "$NFTWARD_CERTIFICATES"/{ca.pem,gw.pem,gw.key} "$LAB_DIR"
		return
	fi
	(
		cd "$LAB_DIR" || exit
		openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj '/CN=lab CA' \
			-keyout ca.key -out ca.pem
		openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj '/CN=api.example' \
			-keyout gw.key -out gw.csr
		openssl x509 -req -days 2 -in gw.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out gw.pem \
			-extfile <(echo 'subjectAltName=DNS:api.example')
	) >/dev/null 2>&1
}

# gateway_files: what it serves. 20 MB and 200 MB are sparse: reading them costs no disk.
gateway_files() {
	mkdir -p "$LAB_DIR/www/api" "$LAB_DIR/tmp"
	jq -nc '[range(20) | {id: ., name: "item \(.)", price: (. * 7919 % 1000), tags: ["a", "b"]}]' | gzip >"$LAB_DIR/www/api/items.gz"
	truncate -s 20M "$LAB_DIR/www/download-20m"
	truncate -s 200M "$LAB_DIR/www/download-200m"
	chmod -R a+rX "$LAB_DIR"
}

# gateway_conf: Debian's own defaults for workers and connections, which is what an attacker finds.
gateway_conf() {
	cat <<-CONF
		worker_processes 1;
		daemon off;
		pid $LAB_DIR/nginx.pid;
		error_log $LAB_DIR/nginx.log crit;
		events { worker_connections 768; }
		http {
			access_log off;
			server_tokens off;
			default_type application/json;
			client_max_body_size 0;
			keepalive_requests 1000000;
			client_body_temp_path $LAB_DIR/tmp/body;
			proxy_temp_path $LAB_DIR/tmp/proxy;
			fastcgi_temp_path $LAB_DIR/tmp/fastcgi;
			uwsgi_temp_path $LAB_DIR/tmp/uwsgi;
			scgi_temp_path $LAB_DIR/tmp/scgi;
			ssl_protocols TLSv1.2 TLSv1.3;
			ssl_certificate $LAB_DIR/gw.pem;
			ssl_certificate_key $LAB_DIR/gw.key;
			server {
				listen 443 ssl http2 backlog=511;
				listen [::]:443 ssl http2 backlog=511;
				listen 80 backlog=511;
				listen [::]:80 backlog=511;
				root $LAB_DIR/www;
				# An answer costs what a light API call costs: it is unpacked anew each time.
				location /api/ {
					gzip_static always;
					gunzip on;
				}
				location /login { return 200 '{"login":"denied"}'; }
				location /empty { return 204; }
				location /upload { proxy_pass http://unix:$LAB_DIR/sink.sock; }
				location /upload-unbuffered {
					proxy_request_buffering off;
					proxy_http_version 1.1;
					proxy_pass http://unix:$LAB_DIR/reader.sock;
				}
			}
			server {
				listen unix:$LAB_DIR/reader.sock;
				location / { proxy_pass http://unix:$LAB_DIR/sink.sock; }
			}
			server {
				listen unix:$LAB_DIR/sink.sock;
				location / { return 200 '{"stored":true,"note":"an answer of ordinary length, as an API would give"}'; }
			}
		}
	CONF
}

# gateway_start [NAMESPACE]: serves on 443 (TLS) and 80 of it, of gw if none is named, both families.
gateway_start() {
	local name=${1:-gw}
	[[ -e $LAB_DIR/gw.pem ]] || gateway_certificate
	[[ -e $LAB_DIR/www ]] || gateway_files
	gateway_conf >"$LAB_DIR/nginx.conf"
	lab_start "$name" nginx -e "$LAB_DIR/nginx.log" -c "$LAB_DIR/nginx.conf"
	lab_wait 20 gateway_answers "$name"
}

gateway_answers() { in_ns "${1:-gw}" curl -sfo /dev/null --max-time 2 http://127.0.0.1/api/items; }
