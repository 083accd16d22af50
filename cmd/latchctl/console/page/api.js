// Speaks to the console's own server, and to nothing else.

let change = '';

async function ask(path, options) {
  let response;
  try {
    response = await fetch(path, options);
  } catch {
    throw new Error('the console does not answer: has latchctl console ended?');
  }
  const body = await response.json().catch(() => ({}));
  if (response.ok) return body;
  throw Object.assign(new Error(body.error ?? `the console answered ${response.status}`), { status: response.status });
}

export const get = (path, signal) => ask(path, { signal });

export const post = (path, body) => ask(path, {
  method: 'POST',
  headers: { 'Content-Type': 'application/json', 'X-Latchctl-Change': change },
  body: JSON.stringify(body),
});

// enter asks for what the page has to know.
export async function enter() {
  const session = await get('/api/session');
  change = session.change;
  return session;
}

// listen tells the listeners of each event while the page is looked at. Their
// key lost is told when the stream breaks, and over when it will not come back.
export function listen(listeners) {
  let source = null;
  const open = () => {
    source = new EventSource('/api/stream');
    for (const [name, heard] of Object.entries(listeners)) {
      if (name !== 'lost' && name !== 'over') source.addEventListener(name, (e) => heard(JSON.parse(e.data)));
    }
    source.addEventListener('error', () => {
      if (source.readyState !== EventSource.CLOSED) listeners.lost();
      else listeners.over();
    });
  };
  const look = () => {
    if (document.visibilityState === 'visible') {
      if (source === null || source.readyState === EventSource.CLOSED) open();
    } else {
      source?.close();
      source = null;
    }
  };
  document.addEventListener('visibilitychange', look);
  look();
}
