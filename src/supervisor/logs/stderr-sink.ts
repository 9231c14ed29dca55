// The log on stderr: one line for people on a terminal, JSON for everything else that reads it (journald, pm2, a pipe).
import pino from 'pino';

export type StderrStyle = 'pretty' | 'json' | 'auto';

export type LineSink = (line: string) => void;

/** Like Node's own stderr it writes synchronously, so that the last line before a crash is there. */
export async function openStderrSink(style: StderrStyle): Promise<LineSink> {
  const stream = pino.destination({ dest: process.stderr.fd, sync: true, maxLength: 1024 * 1024 });
  // A closed terminal or pipe is no reason to stop working; the files have the log as well.
  stream.on('error', () => {});
  const write: LineSink = (line) => {
    stream.write(line);
  };
  const pretty = style === 'pretty' || (style === 'auto' && process.stderr.isTTY === true);
  if (!pretty) return write;

  const { prettyFactory } = await import('pino-pretty');
  const format = prettyFactory({
    colorize: process.stderr.hasColors?.() ?? false,
    translateTime: 'SYS:HH:MM:ss.l',
    ignore: 'category',
    messageFormat: '[{category}] {msg}',
    singleLine: true,
  });
  return (line) => write(format(line) ?? line);
}
