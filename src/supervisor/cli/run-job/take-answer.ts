// Where the result of a job goes: text to stdout as it comes, everything else into a file.
import { createWriteStream } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { say, warn } from '../command.ts';

export type Destination = {
  /** `-` is stdout. Undefined: stdout for text, a file named after the job for everything else. */
  readonly out: string | undefined;
  readonly json: boolean;
};

const BROKEN = 'the answer broke off: the worker has ended, or closed the connection';

const EXTS: Readonly<Record<string, string>> = {
  ...{ 'image/png': 'png', 'image/webp': 'webp', 'image/jpeg': 'jpg', 'image/avif': 'avif', 'image/gif': 'gif' },
  ...{ 'audio/wav': 'wav', 'audio/mpeg': 'mp3', 'audio/ogg': 'ogg', 'audio/flac': 'flac' },
  ...{ 'video/mp4': 'mp4', 'video/webm': 'webm', 'video/x-msvideo': 'avi' },
};

/** A picture, a sound or a film. Writes no byte to a terminal unless it is told to. */
export async function takeBytes(response: Response, { out }: Destination): Promise<void> {
  const type = (response.headers.get('content-type') ?? '').split(';')[0]?.trim() ?? '';
  const file = out ?? `${response.headers.get('x-job-id') ?? 'result'}.${EXTS[type] ?? 'bin'}`;
  if (response.body === null) throw new Error('the worker answered without a result');
  if (file === '-') return broken(pipeline(response.body, process.stdout, { end: false }));
  try {
    await broken(pipeline(response.body, createWriteStream(file)));
  } catch (thrown) {
    // Half of a picture is none. What could not be opened is not ours.
    if ((thrown as NodeJS.ErrnoException).syscall !== 'open') await rm(file, { force: true });
    throw thrown;
  }
  say(file);
}

/** What `fetch` says of a connection that breaks is `terminated`. */
async function broken(reading: Promise<void>): Promise<void> {
  try {
    await reading;
  } catch (cause) {
    if (!(cause instanceof TypeError)) throw cause;
    throw new Error(BROKEN, { cause });
  }
}

/** A transcript. */
export async function takeTranscript(response: Response, { out, json }: Destination): Promise<void> {
  const answer = (await response.json()) as { text?: unknown };
  const text = `${json ? JSON.stringify(answer, null, 2) : String(answer.text ?? '')}\n`;
  if (out === undefined || out === '-') process.stdout.write(text);
  else {
    await writeFile(out, text);
    say(out);
  }
}

type Delta = {
  choices?: { delta?: { content?: string }; finish_reason?: string | null }[];
  error?: { message?: string };
};

/** An answer that is being written. */
export async function takeText(response: Response, { out, json }: Destination): Promise<void> {
  if (response.body === null) throw new Error('the worker answered without a result');
  const toFile = out !== undefined && out !== '-';
  let whole = '';
  let rest = '';
  let finish: string | undefined;
  await broken(read(response.body));
  if (finish === undefined) throw new Error(BROKEN);
  if (finish === 'length') warn('the answer is as long as it may be, and was cut off there (--set max_tokens=…)');
  const text = `${json ? JSON.stringify({ text: whole, finish_reason: finish }) : whole}\n`;
  if (toFile) {
    await writeFile(out, text);
    say(out);
  } else process.stdout.write(json ? text : '\n');

  async function read(body: ReadableStream<Uint8Array>): Promise<void> {
    for await (const piece of body.pipeThrough(new TextDecoderStream())) {
      const frames = (rest + piece).split('\n\n');
      rest = frames.pop() ?? '';
      for (const frame of frames) {
        const data = /^data: (.*)$/m.exec(frame)?.[1];
        if (data === undefined || data === '[DONE]') continue;
        const { choices, error } = JSON.parse(data) as Delta;
        if (error) throw new Error(error.message ?? 'the job failed');
        const text = choices?.[0]?.delta?.content ?? '';
        finish = choices?.[0]?.finish_reason ?? finish;
        whole += text;
        if (!toFile && !json) process.stdout.write(text);
      }
    }
  }
}
