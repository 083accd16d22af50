#!/usr/bin/env bash
# Builds device.c with the official C device SDK: build.sh FOLDER [SDK]
# The program is then FOLDER/device. SDK is an existing checkout of the tag below with its
# submodules. Without it, the script clones the SDK from GitHub into FOLDER/sdk.
# On Debian, it needs the packages build-essential, cmake, git and libssl-dev.
set -euo pipefail
mkdir -p "${1:?usage: build.sh FOLDER [SDK]}"
out=$(realpath "$1")
sdk=$(realpath -m "${2:-$out/sdk}")
cd "$(dirname "$0")"

if [ ! -d "$sdk" ]; then
	git -c advice.detachedHead=false clone --depth 1 --branch LTS_03_2025 https://github.com/Azure/azure-iot-sdk-c.git "$sdk"
	git -C "$sdk" submodule update --init --depth 1 c-utility umqtt deps/azure-macro-utils-c deps/parson deps/umock-c
fi
# Only what a device with MQTT needs: no AMQP, HTTP, provisioning, service client.
cmake -S "$sdk" -B "$out/build" -DCMAKE_BUILD_TYPE=Release -Dskip_samples=ON -Duse_amqp=OFF -Duse_http=OFF -Duse_prov_client=OFF \
	-Dbuild_service_client=OFF -Dbuild_provisioning_service_client=OFF -Dwarnings_as_errors=OFF
cmake --build "$out/build" --parallel "$(nproc)" --target iothub_client iothub_client_mqtt_transport

b=$out/build
cc -O2 -Wall -o "$out/device" device.c -I"$sdk"/{iothub_client,c-utility,deps/umock-c,deps/azure-macro-utils-c}/inc \
	"$b/iothub_client/libiothub_client.a" "$b/iothub_client/libiothub_client_mqtt_transport.a" "$b/umqtt/libumqtt.a" \
	"$b/c-utility/libaziotsharedutil.a" "$b/deps/parson/libparson.a" -lssl -lcrypto -lpthread -lm
printf 'BENCH_CSDK=%s\n' "$out/device"
