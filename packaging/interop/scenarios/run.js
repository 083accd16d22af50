'use strict';
// Runs one scenario of this folder with the official SDKs: node run.js NAME. A scenario is
// a list of steps. Each step calls the SDKs and prints its result as one line of JSON:
//   {"step": NAME, "value": result of the SDK}
//   {"step": NAME, "error": "CLASS: MESSAGE", "status": 404, "code": "JobNotFound"}
// status and code are those of the HTTP answer, if there was one. A scenario does not check
// the results. Its exit status is 0 if all steps have run.
//
// Environment:
//   HUB_CONNECTION_STRING               connection string of the hub's owner
//   HUB_MQTT_PORT                       port for devices
//   HUB_HTTPS_PORT                      port for services, used by port-shim.js
//   CA_FILE, NODE_EXTRA_CA_CERTS        CA certificate of the hub, for device and service SDK
//   CERT_FILE, KEY_FILE                 self-signed certificate of a device, and its key
//   VOUCHED_CERT_FILE, VOUCHED_KEY_FILE certificate that a CA trusted by the hub has signed
//   ID_SCOPE                            ID scope of the provisioning service

require('../port-shim');
const { Hub } = require('./hub');

async function step(name, call) {
  try {
    const value = await call();
    console.log(JSON.stringify({ step: name, value: value === undefined ? null : value }));
  } catch (err) {
    const { statusCode: status, headers = {} } = err.response || {};
    console.log(JSON.stringify({ step: name, error: `${err.name}: ${err.message}`, status, code: headers['iothub-errorcode'] }));
  }
}

// Node exits with status 0 if a step waits for something that cannot happen any more.
// Report that as a failure.
process.on('exit', (code) => {
  if (code === 0 && !done) process.exitCode = 1;
});
let done = false;
require(`./${process.argv[2]}`)(step, new Hub(process.env)).then(() => {
  done = true;
  process.exit(0);
}, (err) => {
  console.error(err);
  process.exit(1);
});
