'use strict';
// Runs one scenario of this folder on the official SDKs: node run.js NAME. A
// scenario is a list of steps; each is a call of the SDKs, and what came of it
// is printed as one line of JSON:
//   {"step": NAME, "value": what the SDK gave}
//   {"step": NAME, "error": "CLASS: MESSAGE", "status": 404, "code": "JobNotFound"}
// status and code are the HTTP answer's, where there was one. A scenario judges
// nothing: it ends with status 0 unless it could not go on.
//
// Environment: HUB_CONNECTION_STRING, HUB_MQTT_PORT, CA_FILE, a certificate that
// a device can have and its key (CERT_FILE, KEY_FILE), one that an authority of the
// hub vouches for (VOUCHED_CERT_FILE, VOUCHED_KEY_FILE), ID_SCOPE, and for the
// service SDK NODE_EXTRA_CA_CERTS and, for port-shim.js, HUB_HTTPS_PORT.

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

// Where nothing is left to wait for, Node ends although a step has not.
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
