// Forms with files (`multipart/form-data`), read within the bounds of any upload. A file becomes a `data:` URL, which is
// what engines take as an input that comes from nowhere else.
import { badRequest } from './problem.ts';
import { type Exchange, readBody, UPLOAD_BYTES_MAX } from './request-body.ts';

const FIELDS_MAX = 64;
const FIELD_LENGTH_MAX = 1_000_000;

export interface Form {
  /** The last value of the field. Rejects a file in its place. */
  text(name: string): string | undefined;
  /** Every value of `name` and of `name[]`, which is how OpenAI's clients write lists. */
  texts(name: string): string[];
  /** The files of `name` and `name[]`, as `data:` URLs. */
  files(name: string): Promise<string[]>;
}

export async function readForm(exchange: Exchange): Promise<Form> {
  const type = exchange.incoming.headers['content-type'] ?? '';
  if (!/^multipart\/form-data\s*;/i.test(type)) {
    throw badRequest('send the fields and the file as multipart/form-data');
  }
  const body = await readBody(exchange, UPLOAD_BYTES_MAX);
  refuseTooMany(body, type);
  const data = await formData(body, type);
  const entries = [...data.entries()];
  const of = (name: string) => entries.filter(([key]) => key === name || key === `${name}[]`).map(([, value]) => value);
  const texts = (name: string): string[] =>
    of(name).map((value) => {
      if (typeof value !== 'string') throw badRequest(`${name} must be a text and is a file`, name);
      if (value.length > FIELD_LENGTH_MAX) throw badRequest(`${name} is too long`, name);
      return value;
    });
  return {
    texts,
    text: (name) => texts(name).at(-1),
    async files(name) {
      const urls: string[] = [];
      for (const value of of(name)) {
        if (typeof value === 'string') throw badRequest(`${name} must be a file and is a text`, name);
        if (value.size === 0) throw badRequest(`the file of ${name} is empty`, name);
        const bytes = Buffer.from(await value.arrayBuffer());
        // What the client says that it is does not matter: engines look at the bytes.
        urls.push(`data:application/octet-stream;base64,${bytes.toString('base64')}`);
      }
      return urls;
    },
  };
}

/** Counted before anything is taken apart: 64 MiB of empty fields would keep the worker busy for a long time. */
function refuseTooMany(body: Buffer, type: string): void {
  const [, quoted, plain] = /boundary=(?:"([^"]{1,200})"|([^\s;]{1,200}))/i.exec(type) ?? [];
  const delimiter = `--${quoted ?? plain ?? ''}`;
  let delimiters = 0;
  for (let at = body.indexOf(delimiter); at >= 0; at = body.indexOf(delimiter, at + delimiter.length)) {
    delimiters += 1;
    // One before each field, and one at the end.
    if (delimiters > FIELDS_MAX + 1) throw badRequest(`the form has more than ${FIELDS_MAX} fields`);
  }
}

async function formData(body: Buffer, type: string): Promise<FormData> {
  try {
    return await new Response(body as Uint8Array<ArrayBuffer>, { headers: { 'content-type': type } }).formData();
  } catch (thrown) {
    throw badRequest(`the body is not valid multipart/form-data: ${(thrown as Error).message}`);
  }
}
