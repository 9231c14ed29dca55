// What a local job is about, in its user's own words, for the list of jobs on this machine.
import { fullPrompt } from '../../protocol/index.ts';
import type { HostJob } from '../../workers/types.ts';

/** Empty for what has no words before it ends, such as a stream of speech. */
export function promptOf(task: HostJob['task']): string {
  if (!('operation' in task)) return fullPrompt(task);
  // What only this machine can ask for has its words in one of three places.
  const { prompt, text, texts } = task as { prompt?: string; text?: string; texts?: readonly string[] };
  return prompt ?? text ?? texts?.[0] ?? '';
}

/** Whether it is worth a line in the list: to count the tokens of a text is not. */
export function isListed(task: HostJob['task']): boolean {
  return !('operation' in task) || String(task.operation) !== 'tokenize';
}
