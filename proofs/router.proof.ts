import type { Proof } from './proof.ts';
import { runRouterBench, type PeerFigures } from './router-bench/bench.ts';

const figure = (name: string, value: number): [string, number] => [name, Number(value.toPrecision(4))];

export const proof: Proof = {
  name: 'router',
  promise:
    'On one core the embedded router carries at least a quarter of what HAProxy does, 0.8 of it in front of a Node app, 1.4 times Caddy and 2.5 times http-proxy, and adds under half a millisecond at 1,000 requests a second.',
  bounds: [
    { figure: 'ofHaproxy', is: 'at least', limit: 0.25, unit: '' },
    { figure: 'ofHaproxyBeforeNode', is: 'at least', limit: 0.8, unit: '' },
    { figure: 'ofCaddy', is: 'at least', limit: 1.4, unit: '' },
    { figure: 'ofHttpProxy', is: 'at least', limit: 2.5, unit: '' },
    { figure: 'addedP50Ms', is: 'at most', limit: 0.5, unit: 'ms' },
    { figure: 'failedRequests', is: 'exactly', limit: 0, unit: 'requests' },
  ],
  quick: false,
  minutes: { quick: 8, full: 25 },
  async run({ quick, signal, log }) {
    const result = await runRouterBench({
      rounds: quick ? 1 : 4,
      seconds: quick ? 4 : 6,
      peers: ['towpath', 'haproxy', 'nginx', 'caddy', 'http-proxy'],
      signal,
      log,
    });
    const of = (peer: PeerFigures['peer']): PeerFigures => {
      const found = result.peers.find((figures) => figures.peer === peer);
      if (found === undefined) throw new Error(`${peer} was not measured`);
      return found;
    };
    const ours = of('towpath');
    const each = result.peers.flatMap((peer) => [
      figure(`${peer.peer}.rps`, peer.rps),
      figure(`${peer.peer}.cpuUsPerRequest`, peer.cpuUs),
      figure(`${peer.peer}.rpsBeforeNode`, peer.nodeRps),
      figure(`${peer.peer}.addedP50Ms`, peer.addedP50),
      figure(`${peer.peer}.addedP99Ms`, peer.addedP99),
      figure(`${peer.peer}.memoryMB`, peer.memory),
    ]);
    return {
      figures: Object.fromEntries([
        figure('ofHaproxy', ours.rps / of('haproxy').rps),
        figure('ofHaproxyBeforeNode', ours.nodeRps / of('haproxy').nodeRps),
        figure('ofCaddy', ours.rps / of('caddy').rps),
        figure('ofHttpProxy', ours.rps / of('http-proxy').rps),
        figure('addedP50Ms', ours.addedP50),
        ['failedRequests', ours.errors],
        ...each,
        figure('foreignCores', result.foreign.median),
      ]),
      notes: [
        'one core for the proxy, one for load and backends; wrk with 64 keep-alive connections; medians of interleaved rounds',
        'the Node app serialises a list of 20 rows for each request (about 1.5 kB), without framework or database',
        `without a proxy: ${Math.round(result.direct.trivial)} requests/s (trivial backend), ${Math.round(result.direct.node)} (Node)`,
        `programs other than ours used ${result.foreign.median.toFixed(2)} cores (median; ${result.foreign.most.toFixed(2)} at most)`,
      ],
    };
  },
};
