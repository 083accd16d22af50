// This module decides what a text in the search box means: a condition for the hub, or
// words that the page looks for itself.

// A condition compares something, tests a list, or calls a function of the query
// language. The text * is the condition that selects all doors.
const comparison = /[=<>]|\b(N?IN)\s*\[/i;
const call = /\b(IS_[A-Z]+|STARTSWITH|ENDSWITH|CONTAINS|ARRAY_CONTAINS)\s*\(/i;
const query = /^\s*(SELECT\s.*\sFROM\s+devices|WHERE)\b/i;

// isCondition returns true if the text is meant as a condition. The hub then decides
// whether the condition is valid.
export const isCondition = (text) => text === '*' || comparison.test(text) || call.test(text) || query.test(text);

const parts = ['building', 'floor', 'room'];
const phrase = /"([^"]*)"|[^\s,]+/g; // one word, or several words in quotation marks

// findDoors returns a function that tells whether a door matches all words in a text. A
// word matches if the door's id, building or room contains it. After the word building,
// floor or room, the next word must be the beginning of this part of the door's place; a
// number, or words in quotation marks, must be the whole part. Upper and lower case are
// the same.
export function findDoors(text) {
  const words = [...text.toLowerCase().matchAll(phrase)].map((m) => ({ text: m[1] ?? m[0], exact: m[1] !== undefined }));

  const tests = [];
  for (let i = 0; i < words.length; i += 1) {
    const part = parts.find((p) => words[i].text === p && !words[i].exact);
    if (part && words[i + 1]) {
      i += 1;
      tests.push(isPlace(part, words[i]));
    } else {
      const { text: word } = words[i];
      tests.push((d) => [d.id, d.building.text, d.room.text].some((t) => t?.toLowerCase().includes(word)) || part !== undefined);
    }
  }
  return (door) => tests.every((test) => test(door));
}

// isPlace returns a function that tests the building, floor or room of a door.
function isPlace(part, { text, exact }) {
  const whole = exact || /^-?\d+$/.test(text);
  return (d) => {
    const value = (d[part].text ?? '').toLowerCase().replaceAll('"', ''); // a quotation mark ends a phrase
    return whole ? value === text : value.startsWith(text);
  };
}

// placeWords returns the text that finds the doors of a building or of one floor, such as
// building "Main hall" floor 3.
export function placeWords(door, ...which) {
  const quoted = (text) => /^-?\d+$/.test(text) ? text : `"${text.replaceAll('"', '')}"`;
  return which.filter((part) => door[part].text).map((part) => `${part} ${quoted(door[part].text)}`).join(' ');
}
