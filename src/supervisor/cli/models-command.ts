// `studio-worker models`: the catalogue of this machine. Lists, adds and removes models, has the running worker load and
// unload them, and downloads their files.
import type { CommandModule } from 'yargs';
import { type Command, configPathOf, type GlobalOptions, say } from './command.ts';
import type { EntryFlags } from './models/entry-flags.ts';

type Json = { json: boolean };
type OneModel = { id: string };

const json = { type: 'boolean', default: false, describe: 'As JSON' } as const;
const id = { type: 'string', demandOption: true, describe: 'A model of the catalogue' } as const;

export const modelsCommand: Command = {
  command: 'models',
  describe: 'List, add, remove, load, unload and download models',
  builder: (yargs) =>
    (yargs as typeof yargs)
      .command(listCommand as CommandModule<object, object>)
      .command(addCommand as CommandModule<object, object>)
      .command(removeCommand as CommandModule<object, object>)
      .command(loadCommand as CommandModule<object, object>)
      .command(unloadCommand as CommandModule<object, object>)
      .command(pullCommand as CommandModule<object, object>),
  handler() {},
};

const listCommand: Command<Json> = {
  command: ['list', '$0'],
  describe: 'Every model with its engine, memory and state',
  builder: (yargs) => yargs.option('json', json),
  async handler(args) {
    const { openCatalogueAccess } = await import('./models/catalogue-access.ts');
    const { modelsText } = await import('./models/models-text.ts');
    const models = await (await openCatalogueAccess(configPathOf(args))).list();
    say(args.json ? JSON.stringify(models, null, 2) : modelsText(models));
  },
};

const addCommand: Command<EntryFlags & Json> = {
  command: 'add',
  describe: 'Add a model, or replace the one of the same id',
  builder: (yargs) =>
    yargs
      // Two of its flags may be given more than once; `lastOfEach` sees to the others.
      .parserConfiguration({ 'duplicate-arguments-array': true })
      .option('file', {
        type: 'string',
        requiresArg: true,
        describe: 'The whole entry as JSON; - reads standard input',
      })
      .option('id', { type: 'string', requiresArg: true, describe: 'How it is called here, such as my-model' })
      .option('kind', { type: 'string', requiresArg: true, describe: 'image, llm, audio_stt, audio_tts or video' })
      .option('engine', { type: 'string', requiresArg: true, describe: 'The engine that runs it, such as llama-cpp' })
      .option('file-url', {
        type: 'string',
        array: true,
        requiresArg: true,
        describe: 'A file as role=url, with #sha256=<hex> behind it to have it checked; may be repeated',
      })
      .option('vram-gb', { type: 'string', requiresArg: true, describe: 'Device memory that it takes, in GiB' })
      .option('name', { type: 'string', requiresArg: true, describe: 'A name for people; by default the id' })
      .option('group', { type: 'string', requiresArg: true, describe: 'At most one model of a group is loaded' })
      .option('set', {
        type: 'string',
        array: true,
        requiresArg: true,
        describe: 'A setting of the engine as key=value, such as contextSize=8192; may be repeated',
      })
      .option('json', json)
      .example(
        '$0 models add --id tiny --kind llm --engine llama-cpp --vram-gb 1 --file-url model=https://…/tiny.gguf',
        '',
      )
      .example('$0 models add --file entry.json', ''),
  async handler(given) {
    const { lastOfEach, readEntry } = await import('./models/entry-flags.ts');
    const { openCatalogueAccess } = await import('./models/catalogue-access.ts');
    const args = lastOfEach(given);
    const entry = await readEntry(args);
    const catalogue = await openCatalogueAccess(configPathOf(args));
    await catalogue.put(entry);
    say(args.json ? JSON.stringify({ ok: true, id: entry.id }) : `${entry.id} is in the catalogue`);
  },
};

const removeCommand: Command<OneModel & Json> = {
  command: 'remove <id>',
  describe: 'Take a model out of the catalogue; its files stay on the disk',
  builder: (yargs) => yargs.positional('id', id).option('json', json),
  async handler(args) {
    const { openCatalogueAccess } = await import('./models/catalogue-access.ts');
    const catalogue = await openCatalogueAccess(configPathOf(args));
    if (!(await catalogue.remove(args.id))) throw new Error(`there is no model \`${args.id}\` in the catalogue`);
    say(args.json ? JSON.stringify({ ok: true, id: args.id }) : `${args.id} is no longer in the catalogue`);
  },
};

type Waiting = OneModel & Json & { wait: boolean };

const wait = { type: 'boolean', default: true, describe: 'Wait until it is done; --no-wait only asks for it' } as const;

const loadCommand: Command<Waiting> = {
  command: 'load <id>',
  describe: 'Have the running worker load a model now and at every start',
  builder: (yargs) => yargs.positional('id', id).option('wait', wait).option('json', json),
  handler: (args) => askFor('load', args),
};

const unloadCommand: Command<Waiting> = {
  command: 'unload <id>',
  describe: 'Have the running worker unload a model, and not load it at its next start',
  builder: (yargs) => yargs.positional('id', id).option('wait', wait).option('json', json),
  handler: (args) => askFor('unload', args),
};

async function askFor(what: 'load' | 'unload', args: GlobalOptions & Waiting): Promise<void> {
  const { requireWorker } = await import('./worker-client.ts');
  const { askForState } = await import('./models/ask-for-state.ts');
  const state = await askForState(await requireWorker(configPathOf(args)), args.id, { what, wait: args.wait });
  say(args.json ? JSON.stringify(state, null, 2) : `${args.id} is ${state.state}${state.resident ? ', resident' : ''}`);
}

const pullCommand: Command<OneModel & Json> = {
  command: 'pull <id>',
  describe: 'Download the files of a model and nothing else; a stopped download goes on where it was',
  builder: (yargs) => yargs.positional('id', id).option('json', json),
  async handler(args) {
    const { pull } = await import('./models/pull.ts');
    const files = await pull(configPathOf(args), args.id);
    if (files === undefined) return;
    const text = files.length === 0 ? `${args.id} has no files` : files.join('\n');
    say(args.json ? JSON.stringify({ ok: true, id: args.id, files }, null, 2) : text);
  },
};
