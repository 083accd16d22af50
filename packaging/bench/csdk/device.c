// A device with the official C device SDK, to compare with latchd. It simulates a door: it
// answers lockDoor and unlockDoor, follows its desired properties and reports its position.
// It uses the SDK's interface without threads ("LL").
//
// Environment: DEVICE_CONNECTION_STRING; SSL_CERT_FILE, the CA that OpenSSL trusts; POLL_MS,
// the pause between two polls in milliseconds (default 1, like the SDK's own thread).
// Standard output: the SDK's log, "ready" for each change of the desired properties, and the
// names of the called methods.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "azure_c_shared_utility/platform.h"
#include "azure_c_shared_utility/threadapi.h"
#include "azure_c_shared_utility/tlsio.h"
#include "internal/iothubtransport_mqtt_common.h"
#include "iothub.h"
#include "iothub_device_client_ll.h"
#include "iothubtransportmqtt.h"

// The SDK's MQTT transport always connects to port 8883. mqtt returns this transport with
// another function for the connection, which takes the port from GatewayHostName.
static XIO_HANDLE connect_tls(const char *address, const MQTT_TRANSPORT_PROXY_OPTIONS *proxy) {
	(void)proxy;
	char host[256] = "";
	int port = 8883;
	sscanf(address, "%255[^:]:%d", host, &port);

	TLSIO_CONFIG config = {.hostname = host, .port = port};
	return xio_create(platform_get_default_tlsio(), &config);
}

static TRANSPORT_LL_HANDLE create(const IOTHUBTRANSPORT_CONFIG *config, TRANSPORT_CALLBACKS_INFO *callbacks, void *context) {
	return IoTHubTransport_MQTT_Common_Create(config, connect_tls, callbacks, context);
}

static const TRANSPORT_PROVIDER *mqtt(void) {
	static TRANSPORT_PROVIDER provider;
	provider = *(const TRANSPORT_PROVIDER *)MQTT_Protocol();
	provider.IoTHubTransport_Create = create;
	return &provider;
}

static int on_method(const char *name, const unsigned char *payload, size_t size, unsigned char **answer, size_t *answer_size, void *context) {
	(void)payload, (void)size, (void)context;
	int known = strcmp(name, "lockDoor") == 0 || strcmp(name, "unlockDoor") == 0;

	puts(name);
	*answer = (unsigned char *)strdup("null"); // the SDK frees it and sends nothing without it
	*answer_size = strlen("null");
	return known ? 200 : 501;
}

static void on_reported(int status, void *context) {
	(void)status, (void)context;
}

static void on_desired(DEVICE_TWIN_UPDATE_STATE state, const unsigned char *payload, size_t size, void *context) {
	(void)state, (void)payload, (void)size;
	static const char report[] = "{\"locked\":true}";
	IoTHubDeviceClient_LL_SendReportedState(*(IOTHUB_DEVICE_CLIENT_LL_HANDLE *)context, (const unsigned char *)report, strlen(report), on_reported, NULL);
	puts("ready");
}

int main(void) {
	setvbuf(stdout, NULL, _IOLBF, 0);
	const char *text = getenv("POLL_MS");
	unsigned pause = text ? atoi(text) : 1;

	if (IoTHub_Init() != 0) return 1;
	IOTHUB_DEVICE_CLIENT_LL_HANDLE client = IoTHubDeviceClient_LL_CreateFromConnectionString(getenv("DEVICE_CONNECTION_STRING"), (IOTHUB_CLIENT_TRANSPORT_PROVIDER)mqtt);
	if (!client
		|| IoTHubDeviceClient_LL_SetDeviceMethodCallback(client, on_method, NULL)
		|| IoTHubDeviceClient_LL_SetDeviceTwinCallback(client, on_desired, &client)) return 1;

	for (;;) {
		IoTHubDeviceClient_LL_DoWork(client);
		ThreadAPI_Sleep(pause);
	}
}
