// This module sends requests to the console's own server.

let changeSecret = ''; // secret that proves that a change comes from this page

async function request(path, options) {
  let response;
  try {
    response = await fetch(path, options);
  } catch {
    throw new Error('Cannot reach the console. Is latchctl console still running?');
  }

  const body = await response.json().catch(() => ({}));
  if (response.ok) return body;
  throw Object.assign(new Error(body.error ?? `the console answered with status ${response.status}`), { status: response.status });
}

export const get = (path, signal) => request(path, { signal });

export const post = (path, body) => request(path, {
  method: 'POST',
  headers: { 'Content-Type': 'application/json', 'X-Latchctl-Change': changeSecret },
  body: JSON.stringify(body),
});

// openSession reads the page's settings, and the secret that the page must send with
// each change.
export async function openSession() {
  const session = await get('/api/session');
  changeSecret = session.change;
  return session;
}

// listen receives the console's events while the page is visible. It passes each event
// to the listener of the same name. It calls onLost when the stream breaks. It calls
// onEnded when the session has ended and the browser will not reconnect.
export function listen(listeners, { onLost, onEnded }) {
  let source = null;

  const open = () => {
    source = new EventSource('/api/stream');
    for (const [name, listener] of Object.entries(listeners)) {
      source.addEventListener(name, (e) => listener(JSON.parse(e.data)));
    }
    source.addEventListener('error', () => {
      if (source.readyState === EventSource.CLOSED) onEnded();
      else onLost();
    });
  };

  const followVisibility = () => {
    if (document.visibilityState !== 'visible') {
      source?.close();
      source = null;
    } else if (source === null || source.readyState === EventSource.CLOSED) {
      open();
    }
  };

  document.addEventListener('visibilitychange', followVisibility);
  followVisibility();
}
