// What a chat completion answers, whole and in chunks. The engine has made the answer in OpenAI's form already; a job on
// the wire has no id in it, since the studio gives its own. Pure.
import { z } from 'zod';
import { absent } from '../../../protocol/absent.ts';

const Usage = z.object({ prompt_tokens: z.number(), completion_tokens: z.number(), total_tokens: z.number() });

/** What engines answer; an operator's own engine is checked as well. */
export const Completion = z.looseObject({
  model: absent(z.string()),
  choices: z
    .array(
      z.looseObject({
        message: z.looseObject({ content: z.string(), reasoning_content: absent(z.string()) }),
        finish_reason: absent(z.string()),
      }),
    )
    .min(1),
  usage: absent(Usage),
});
export type Completion = z.infer<typeof Completion>;

export type Identity = { readonly id: string; readonly model: string; readonly createdSecs: number };

export function wholeAnswer(completion: Completion, { id, createdSecs }: Identity): object {
  return { id, created: createdSecs, ...completion };
}

export type ChunkMaker = {
  content(text: string): string;
  reasoning(text: string): string;
  /** The end of the answer: why it ended, and what it took. One event, or two for who asked for OpenAI's own form. */
  last(completion: Completion, separateUsage: boolean): string[];
};

/** The parts that all chunks of an answer share are written once. */
export function chunksFor({ id, model, createdSecs }: Identity): ChunkMaker {
  const head = `{"id":${JSON.stringify(id)},"object":"chat.completion.chunk","created":${createdSecs},"model":${JSON.stringify(model)}`;
  let role = '"role":"assistant",';
  const delta = (name: string, text: string): string => {
    const chunk = `${head},"choices":[{"index":0,"delta":{${role}"${name}":${JSON.stringify(text)}},"finish_reason":null}]}`;
    role = '';
    return chunk;
  };
  return {
    content: (text) => delta('content', text),
    reasoning: (text) => delta('reasoning_content', text),
    last({ choices, usage }, separateUsage) {
      const reason = JSON.stringify(choices[0]?.finish_reason ?? 'stop');
      const end = `${head},"choices":[{"index":0,"delta":{},"finish_reason":${reason}}]`;
      const used = JSON.stringify(usage ?? null);
      if (!separateUsage) return [`${end},"usage":${used}}`];
      return [`${end},"usage":null}`, `${head},"choices":[],"usage":${used}}`];
    },
  };
}
