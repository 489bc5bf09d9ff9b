/** Starts the backends and the proxies, each pinned to its core. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import net from 'node:net';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { createEmbeddedRouter, ensureRouter, stopRouter } from '../../packages/towpath/src/router/index.ts';
import { family } from './machine.ts';

export interface Program {
  readonly pid: number;
  readonly port: number;
  stop(): Promise<void>;
}

export const PROXY_CORE = 0;
export const LOAD_CORE = 1;
export type Peer = 'towpath' | 'haproxy' | 'nginx' | 'caddy' | 'http-proxy';
export type Backend = 'nginx' | 'node';

export async function freePort(): Promise<number> {
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (typeof address !== 'object' || address === null) throw new Error('no port');
  return address.port;
}

async function listens(port: number, signal: AbortSignal): Promise<void> {
  const deadline = performance.now() + 15_000;
  for (;;) {
    signal.throwIfAborted();
    const socket = net.connect(port, '127.0.0.1');
    const open = await new Promise<boolean>((resolve) => {
      socket.once('connect', () => resolve(true));
      socket.once('error', () => resolve(false));
    });
    socket.destroy();
    if (open) return;
    if (performance.now() > deadline) throw new Error(`nothing listens on port ${port}`);
    await delay(30, undefined, { signal });
  }
}

async function begin(
  core: number,
  argv: readonly string[],
  port: number,
  cwd: string,
  signal: AbortSignal,
): Promise<Program> {
  const child = spawn('taskset', ['-c', String(core), ...argv], {
    cwd,
    env: { ...process.env, GOMAXPROCS: '1', HOME: cwd, XDG_DATA_HOME: cwd, XDG_CONFIG_HOME: cwd },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let errors = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (errors = (errors + text).slice(-2000)));
  const gone = once(child, 'exit').catch(() => {});
  const stop = async (): Promise<void> => {
    child.kill('SIGTERM');
    await Promise.race([gone, delay(3000)]);
    if (child.exitCode === null) child.kill('SIGKILL');
    await gone;
  };
  try {
    await Promise.race([
      listens(port, signal),
      gone.then(() => {
        throw new Error(`${argv[0] ?? ''} ended: ${errors}`);
      }),
    ]);
  } catch (error) {
    await stop();
    throw error;
  }
  return { pid: child.pid ?? 0, port, stop };
}

const nginxConfig = (dir: string, http: string): string => `daemon off; worker_processes 1; pid ${dir}/nginx.pid;
error_log stderr error; events { worker_connections 4096; }
http { access_log off; keepalive_requests 100000000; client_body_temp_path ${dir}/b; proxy_temp_path ${dir}/p;
fastcgi_temp_path ${dir}/f; uwsgi_temp_path ${dir}/u; scgi_temp_path ${dir}/s; ${http} }`;

const script = (name: string): string => path.join(import.meta.dirname, name);

export async function startBackend(kind: Backend, dir: string, bytes: number, signal: AbortSignal): Promise<Program> {
  const port = await freePort();
  const own = path.join(dir, `${kind}-${port}`);
  await mkdir(own, { recursive: true });
  if (kind === 'node') {
    return await begin(LOAD_CORE, [process.execPath, script('node-backend.ts'), String(port), '20'], port, own, signal);
  }
  const file = path.join(own, 'nginx.conf');
  const body = 'x'.repeat(bytes);
  await writeFile(file, nginxConfig(own, `server { listen 127.0.0.1:${port}; location / { return 200 "${body}"; } }`));
  return await begin(LOAD_CORE, ['nginx', '-c', file, '-p', own], port, own, signal);
}

/** A proxy on its core, half of the requests to each of two targets. */
export async function startPeer(
  peer: Peer,
  targets: readonly number[],
  dir: string,
  signal: AbortSignal,
): Promise<Program> {
  const port = await freePort();
  const own = path.join(dir, `${peer}-${port}`);
  await mkdir(own, { recursive: true });
  const file = path.join(own, 'config');
  switch (peer) {
    case 'towpath':
      return await startTowpath(port, targets, own, signal);
    case 'haproxy':
      await writeFile(
        file,
        `global\n maxconn 8192\n nbthread 1\ndefaults\n mode http\n timeout client 60s\n timeout server 60s\n timeout connect 5s\n option forwardfor\n http-reuse always\n` +
          `frontend f\n bind 127.0.0.1:${port}\n default_backend b\nbackend b\n balance roundrobin\n${targets
            .map((target, i) => ` server s${i} 127.0.0.1:${target}\n`)
            .join('')}`,
      );
      return await begin(PROXY_CORE, ['haproxy', '-db', '-f', file], port, own, signal);
    case 'nginx': {
      const upstream = targets.map((target) => `server 127.0.0.1:${target};`).join(' ');
      await writeFile(
        file,
        nginxConfig(
          own,
          `upstream u { ${upstream} keepalive 256; } server { listen 127.0.0.1:${port}; location / { proxy_pass http://u; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; } }`,
        ),
      );
      return await begin(PROXY_CORE, ['nginx', '-c', file, '-p', own], port, own, signal);
    }
    case 'caddy': {
      const config = `{\n admin off\n auto_https off\n}\nhttp://127.0.0.1:${port} {\n reverse_proxy ${targets
        .map((target) => `127.0.0.1:${target}`)
        .join(' ')} {\n lb_policy round_robin\n }\n}\n`;
      await writeFile(file, config);
      return await begin(PROXY_CORE, ['caddy', 'run', '--config', file, '--adapter', 'caddyfile'], port, own, signal);
    }
    case 'http-proxy':
      return await begin(
        PROXY_CORE,
        [process.execPath, script('http-proxy-peer.ts'), String(port), ...targets.map(String)],
        port,
        own,
        signal,
      );
  }
}

async function startTowpath(
  port: number,
  targets: readonly number[],
  dir: string,
  signal: AbortSignal,
): Promise<Program> {
  const started = await ensureRouter({ dir, port, signal });
  const stop = async (): Promise<void> => {
    await stopRouter(dir);
  };
  try {
    const table = {
      targets: targets.map((target, i) => ({ id: `t${i}`, release: i + 1, host: '127.0.0.1', port: target })),
      weights: targets.map((_, i) => ({ release: i + 1, weight: 100 / targets.length })),
      sticky: false,
      hold: false,
    };
    await createEmbeddedRouter({ dir }).apply(table, { epoch: 1 }, signal);
    for (const pid of family(started.pid)) {
      const child = spawn('taskset', ['-a', '-c', '-p', String(PROXY_CORE), String(pid)], { stdio: 'ignore' });
      await once(child, 'exit');
    }
  } catch (error) {
    await stop();
    throw error;
  }
  return { pid: started.pid, port, stop };
}
