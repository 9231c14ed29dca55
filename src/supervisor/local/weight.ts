// How much memory a task holds while it waits. Pictures come inside of tasks, as base64, so a queue that counts heads alone
// could hold gigabytes.

/** Of all tasks that wait together. Eight of the largest that the local API lets in. */
export const WAITING_BYTES_MAX = 512 * 1024 ** 2;

/** Characters of all texts in it: a byte each for base64, and for most of what people write. */
export function weightOf(value: unknown): number {
  if (typeof value === 'string') return value.length;
  if (typeof value !== 'object' || value === null) return 0;
  let sum = 0;
  for (const inner of Object.values(value)) sum += weightOf(inner);
  return sum;
}
