// `studio-worker run-job`: one job on the running worker, from the command line. The result goes into a file, text goes to
// stdout as it is written, and a terminal shows how far it is.
import { type Command, configPathOf } from './command.ts';

type Options = {
  kind: string;
  input: string;
  model?: string | undefined;
  set?: string | readonly string[] | undefined;
  out?: string | undefined;
  json: boolean;
};

export const runJobCommand: Command<Options> = {
  command: 'run-job <kind> <input>',
  describe: 'Run one job on the running worker: image, llm, stt, tts or video',
  builder: (yargs) =>
    yargs
      .parserConfiguration({ 'duplicate-arguments-array': true })
      .positional('kind', { type: 'string', demandOption: true, describe: 'image, llm, stt, tts or video' })
      .positional('input', {
        type: 'string',
        demandOption: true,
        describe: 'The prompt, the text to speak, or the recording as a file or URL',
      })
      .option('model', { type: 'string', requiresArg: true, describe: 'A model of the catalogue' })
      .option('set', {
        type: 'string',
        requiresArg: true,
        describe: 'A field of the request as key=value, such as width=512; may be repeated',
      })
      .option('out', { alias: 'o', type: 'string', requiresArg: true, describe: 'Where the result goes; - is stdout' })
      .option('json', { type: 'boolean', default: false, describe: 'Text with all that is known of it, as JSON' })
      .example("$0 run-job image 'a red fox' --set width=512 --set height=512 -o fox.webp", '')
      .example("$0 run-job llm 'Why is the sky blue?'", ''),
  async handler(args) {
    const { jobKind, jobRequest } = await import('./run-job/job-request.ts');
    const { takeBytes, takeText, takeTranscript } = await import('./run-job/take-answer.ts');
    const { requireWorker } = await import('./worker-client.ts');
    const kind = jobKind(args.kind);
    const worker = await requireWorker(configPathOf(one(args)));
    const { recording } = await import('./run-job/recording.ts');
    const input = kind === 'audio_stt' ? await recording(String(args.input)) : String(args.input);
    const request = jobRequest({ kind, input, model: last(args.model), set: [args.set ?? []].flat() });
    const destination = { out: last(args.out), json: args.json };
    const response = await send();
    if (kind === 'llm') return takeText(response, destination);
    return kind === 'audio_stt' ? takeTranscript(response, destination) : takeBytes(response, destination);

    async function send(): Promise<Response> {
      const { sendJob } = await import('./run-job/send-job.ts');
      if (!process.stderr.isTTY) return sendJob(worker, request);
      const { watchJob } = await import('./run-job/watch-job.ts');
      using _shown = await watchJob(worker, request);
      return await sendJob(worker, request);
    }
  },
};

/** Options may be repeated here for the sake of `--set`; of every other one the last counts, as everywhere. */
function last(value: string | readonly string[] | undefined): string | undefined {
  return typeof value === 'string' || value === undefined ? value : value.at(-1);
}

function one(args: { config?: string | undefined }): { config?: string | undefined } {
  return { config: last(args.config) };
}
