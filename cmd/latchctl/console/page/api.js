// Sends requests to the console's own server.

let changeSecret = ''; // proves that a change comes from this page

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

// openSession reads the page's settings and the secret for its changes.
export async function openSession() {
  const session = await get('/api/session');
  changeSecret = session.change;
  return session;
}

// listen passes each event of the console's stream to the listener with the event's name.
// It listens only while the page is visible. onLost is called when the stream breaks, and
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
