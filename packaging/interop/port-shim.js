'use strict';
// The official service SDK speaks to port 443 only: a port in HostName becomes
// part of the name that is looked up. So do the device SDK's WebSockets. So that
// a test's hub need neither run as root nor own a fixed port, this sends https
// requests to port 443 to the local port HUB_HTTPS_PORT. The rest of a request,
// the Host header included, is as it was. Requests that name another port are
// left alone.

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
  // Node's own get would not see the function above.
  https.get = (...args) => https.request(...args).end();
}
