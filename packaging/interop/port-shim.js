'use strict';
// Redirects HTTPS requests for port 443 to the local port HUB_HTTPS_PORT. The official
// service SDK and the WebSockets of the device SDK always use port 443, because a port in
// HostName becomes part of the host name. With this file, a hub under test needs neither
// root nor a fixed port. The rest of a request, including the Host header, does not change.
// Requests for other ports do not change either.

const https = require('https');

const port = Number(process.env.HUB_HTTPS_PORT);
if (port > 0) {
  const request = https.request;
  https.request = (options, ...rest) => {
    const isPlain = options !== null && typeof options === 'object' && !(options instanceof URL);
    if (!isPlain || (options.port && Number(options.port) !== 443) || options.socketPath) return request.call(https, options, ...rest);
    const headers = { ...options.headers };
    if (!Object.keys(headers).some((name) => name.toLowerCase() === 'host')) headers.Host = options.host || options.hostname;
    return request.call(https, { ...options, port, headers }, ...rest);
  };
  // Node's own https.get would not call the function above.
  https.get = (...args) => https.request(...args).end();
}
