// Error reports to Sentry, for operators who set SENTRY_DSN; without it nothing of this is even loaded. Errors of the log
// become events, warnings become their breadcrumbs. No account of ours is built in.
import type { NodeClient, Scope } from '@sentry/node';
import type { Logs } from './logs/logs.ts';
import { machineName } from './machine.ts';

export type TelemetryOptions = {
  readonly logs: Logs;
  readonly version: string;
  readonly env: Readonly<Record<string, string | undefined>>;
};

/** An unreachable Sentry may delay the end of the process by this much. */
const FLUSH_MS_MAX = 2000;

const BREADCRUMBS_MAX = 50;

/** Undefined when telemetry is off. Disposing sends what is left. */
export async function openTelemetry(options: TelemetryOptions): Promise<AsyncDisposable | undefined> {
  const dsn = options.env.SENTRY_DSN?.trim() ?? '';
  if (dsn === '') return undefined;
  if (!isDsn(dsn)) {
    options.logs.warn('telemetry', 'SENTRY_DSN is not a valid DSN, error reports are off');
    return undefined;
  }
  const { client, scope } = await openClient(dsn, options);
  const observing = options.logs.observe({
    entry({ level, category, message, ts, jobId }, err, text) {
      if (level === 'info') return;
      if (level === 'warn') {
        scope.addBreadcrumb({ level: 'warning', category, message, timestamp: Date.parse(ts) / 1000 }, BREADCRUMBS_MAX);
        return;
      }
      const event = scope.clone();
      event.setTag('category', category);
      if (jobId !== undefined) event.setTag('jobId', jobId);
      event.setExtra('log', message);
      // What varies (ids, times, sizes) is in the extra text: the same trouble is one issue, however often it comes.
      const code = codeOf(err);
      if (code !== undefined) event.setTag('code', code);
      event.setFingerprint([category, text, code ?? '{{ default }}']);
      if (err instanceof Error) event.captureException(err);
      else event.captureMessage(text, 'error');
    },
    async flush() {
      await client.flush(FLUSH_MS_MAX);
    },
  });
  return {
    async [Symbol.asyncDispose]() {
      observing[Symbol.dispose]();
      await client.close(FLUSH_MS_MAX);
    },
  };
}

/** The stable name of a failure of ours, or of the operating system's. */
function codeOf(err: unknown): string | undefined {
  const code = (err as { code?: unknown } | null | undefined)?.code;
  return typeof code === 'string' ? code : undefined;
}

/**
 * A client of its own instead of `Sentry.init`: no tracing, no patched `http` and `console`, no handler of uncaught
 * exceptions (those are logged as errors anyway), no global state.
 */
async function openClient(dsn: string, { logs, version, env }: TelemetryOptions) {
  const sentry = await import('@sentry/node');
  const client: NodeClient = new sentry.NodeClient({
    dsn,
    environment: env.SENTRY_ENVIRONMENT?.trim() || 'production',
    release: `studio-worker@${version}`,
    serverName: machineName(),
    tracesSampleRate: 0,
    transport: sentry.makeNodeTransport,
    stackParser: sentry.defaultStackParser,
    integrations: [sentry.linkedErrorsIntegration(), sentry.nodeContextIntegration({ cloudResource: false })],
    beforeSend: (event) => redactStrings(event, logs.redactor.text),
  });
  const scope: Scope = new sentry.Scope();
  scope.setClient(client);
  client.init();
  return { client, scope };
}

/** In place, since an event is a deep structure with types of its own. Its keys are Sentry's, its strings may be ours. */
function redactStrings<T extends object>(value: T, redact: (text: string) => string): T {
  const fields = value as Record<string, unknown>;
  for (const [key, inner] of Object.entries(fields)) {
    if (typeof inner === 'string') fields[key] = redact(inner);
    else if (typeof inner === 'object' && inner !== null) redactStrings(inner, redact);
  }
  return value;
}

/** `https://<key>@<host>/<project number>`. Checked here because the library reports a bad one by printing it whole. */
function isDsn(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, username, password, hostname, pathname } = new URL(text);
  const keysFit = /^\w+$/.test(username) && /^\w*$/.test(password);
  return /^https?:$/.test(protocol) && keysFit && hostname !== '' && /\/\d+$/.test(pathname);
}
