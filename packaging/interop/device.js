'use strict';
// A device with the official device SDK. It answers lockDoor like the device of Microsoft's
// tutorial on jobs. It follows its desired properties and reports the last version.
//
// Environment: DEVICE_CONNECTION_STRING, CA_FILE.
// Standard output: one line for each event, of the form WORD or WORD JSON:
//   ready              connected and subscribed to methods and desired properties
//   Locking Door!      lockDoor was called
//   method {...}       name, payload and request id of the call
//   desired {...}      desired properties from the SDK, complete or as a patch
//   reported {...}     report that the hub has accepted; each desired patch causes {"seen": version}
//   twin {...}         the twin, as the answer to the command "twin"
//   lost               the SDK has lost the connection and does not reconnect
//   reopened           the program has opened the connection again
//   error {...}        an error and the place where it happened
// Standard input: one command on each line: twin | report JSON | quit

const readline = require('readline');
const { Client } = require('azure-iot-device');
const { Mqtt } = require('azure-iot-device-mqtt');

const REOPEN_MS = 100;

const say = (word, value) => console.log(value === undefined ? word : `${word} ${JSON.stringify(value)}`);
const fail = (at, err) => say('error', { at, message: err.message, name: err.name });

const client = Client.fromConnectionString(process.env.DEVICE_CONNECTION_STRING, Mqtt);

function onLockDoor(request, response) {
  // Like the tutorial, send a status without a payload.
  response.send(200, (err) => { if (err) fail('answer', err); });
  say('Locking Door!');
  say('method', { name: request.methodName, payload: request.payload, requestId: request.requestId });
}

function report(twin, patch) {
  twin.properties.reported.update(patch, (err) => (err ? fail('report', err) : say('reported', patch)));
}

function onCommand(twin, line) {
  const [command, ...rest] = line.split(' ');
  switch (command) {
    case 'twin':
      twin.get((err) => (err ? fail('twin', err) : say('twin', { desired: twin.properties.desired, reported: twin.properties.reported })));
      break;
    case 'report':
      report(twin, JSON.parse(rest.join(' ')));
      break;
    case 'quit':
      client.close(() => process.exit(0));
      break;
    default:
      fail('command', new Error(`unknown command ${command}`));
  }
}

// reopen opens the client until it succeeds. The SDK reconnects by itself, but it gives up
// when a connection is refused, for example while the hub is down. Handlers and
// subscriptions survive.
function reopen() {
  client.open((err) => (err ? setTimeout(reopen, REOPEN_MS) : say('reopened')));
}

async function main() {
  await client.setOptions({ ca: process.env.CA_FILE });
  await client.open();
  client.on('disconnect', () => {
    say('lost');
    reopen();
  });
  client.onDeviceMethod('lockDoor', onLockDoor);
  const twin = await client.getTwin();
  twin.on('properties.desired', (patch) => {
    say('desired', patch);
    report(twin, { seen: patch.$version });
  });
  // The hub handles packets in order, so all subscriptions are active when it has answered.
  await twin.get();
  say('ready');
  readline.createInterface({ input: process.stdin }).on('line', (line) => onCommand(twin, line));
}

main().catch((err) => {
  fail('start', err);
  process.exit(1);
});
