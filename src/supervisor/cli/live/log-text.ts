// One entry of the log as a line for people. Pure.

export type LogLine = {
  readonly ts: string;
  readonly level: string;
  readonly category: string;
  readonly message: string;
  readonly jobId?: string | undefined;
};

export function logText({ ts, level, category, message, jobId }: LogLine): string {
  const job = jobId === undefined ? '' : ` jobId=${jobId}`;
  return `${ts} ${level.padEnd(5)} [${category}] ${message}${job}`;
}
