// The baseline: the least program that speaks the protocol. It answers every offer at once with a fixed result, so what
// it takes is what Node, the socket and the studio take. Run as a child: URL, worker id and token come by IPC.
import { WebSocket } from 'ws';

type Start = { url: string; workerId: string; authToken: string };

process.once('message', ({ url, workerId, authToken }: Start) => {
  const capabilities = {
    machineName: 'bare',
    username: 'bare',
    agentVersion: '0.0.0',
    engine: 'multi',
    vramTotalGb: 0,
    vramThresholdGb: 12,
    autoEnabled: true,
    autoStart: true,
    supportedModels: ['synthetic-llm'],
    taskKinds: ['llm'],
    supportedModelsPerKind: { llm: ['synthetic-llm'] },
    features: ['multi-offer'],
    slots: { llm: 8 },
  };
  const socket = new WebSocket(
    `${url.replace('http', 'ws')}/graphics/api/workers/${workerId}/connect`,
    'studio-worker-v1',
    {
      headers: { authorization: `Bearer ${authToken}` },
      perMessageDeflate: false,
    },
  );
  const send = (frame: unknown): void => socket.send(JSON.stringify(frame));
  socket.on('open', () => send({ type: 'hello', authToken, capabilities }));
  socket.on('message', (data) => {
    const frame = JSON.parse(data.toString());
    if (frame.type === 'welcome')
      setInterval(() => send({ type: 'heartbeat', capabilities, currentJobIds: [] }), 5_000);
    if (frame.type === 'welcome') send({ type: 'heartbeat', capabilities, currentJobIds: [] });
    if (frame.type !== 'offer') return;
    const { jobId } = frame.claim;
    send({ type: 'accept', jobId });
    const message = { role: 'assistant', content: '[synthetic] reply to prompt #0123456789abcdef' };
    const result = {
      object: 'chat.completion',
      model: 'synthetic-llm',
      choices: [{ index: 0, message, finish_reason: 'stop' }],
      usage: { prompt_tokens: 2, completion_tokens: 8, total_tokens: 10 },
    };
    send({ type: 'completeJson', jobId, result, prompt: 'hello there' });
  });
  process.once('disconnect', () => process.exit());
});
