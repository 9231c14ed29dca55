// A recording that a command names: a URL goes to the worker as it is, a file goes inside the request.
import { readFile, stat } from 'node:fs/promises';
import { UsageError } from '../command.ts';

/** The local API takes 64 MiB, and base64 makes four bytes of three. */
const FILE_BYTES_MAX = 47 * 1024 * 1024;

export async function recording(input: string): Promise<string> {
  if (/^(https?|data):/i.test(input)) return input;
  const { size } = await stat(input).catch((cause) => {
    throw new UsageError(`the recording ${input} cannot be read (${cause.code})`, { cause });
  });
  if (size > FILE_BYTES_MAX) {
    throw new UsageError(`the recording ${input} is larger than 47 MiB: compress it, or name it by a URL`);
  }
  return `data:application/octet-stream;base64,${await readFile(input, 'base64')}`;
}
