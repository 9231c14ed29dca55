// Reads server-sent events from a body: the small part of the format that the studio writes, and tolerant of the rest.

export type ServerSentEvent = { type: string; data: string };

/** A line longer than this cannot be an event of ours; it would only fill memory. */
const LINE_CHARS_MAX = 16 * 1024 * 1024;

export async function* readServerSentEvents(body: AsyncIterable<Uint8Array>): AsyncGenerator<ServerSentEvent> {
  let type = 'message';
  let data: string[] = [];
  for await (const line of readLines(body)) {
    if (line === '') {
      if (data.length > 0) yield { type, data: data.join('\n') };
      type = 'message';
      data = [];
    } else if (line.startsWith('event:')) type = line.slice(6).trim();
    else if (line.startsWith('data:')) data.push(line.slice(5).replace(/^ /, ''));
    // Anything else is a comment (a ping), or a field that the studio does not use.
  }
}

async function* readLines(body: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of body) {
    rest += decoder.decode(chunk, { stream: true });
    const lines = rest.split('\n');
    rest = lines.pop() ?? '';
    if (rest.length > LINE_CHARS_MAX) throw new Error('the event stream sent a line without an end');
    for (const line of lines) yield line.endsWith('\r') ? line.slice(0, -1) : line;
  }
}
