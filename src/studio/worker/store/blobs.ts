// What does not fit a database row lies in R2: large tasks (with `data:` URLs), large JSON results, and every output.

/** D1 holds at most 2 MB a row; half of it leaves room for the other columns, whatever the text's encoding. */
export const INLINE_CHARS_MAX = 500_000;

export const taskKey = (jobId: string): string => `tasks/${jobId}.json`;
export const resultKey = (jobId: string): string => `results/${jobId}/${crypto.randomUUID()}.json`;
/** A key for each upload: one that loses the race for its job must not replace the winner's bytes. */
export const outputKey = (jobId: string): string => `outputs/${jobId}/${crypto.randomUUID()}`;

export async function readText(bucket: R2Bucket, key: string): Promise<string | undefined> {
  return (await bucket.get(key))?.text();
}
