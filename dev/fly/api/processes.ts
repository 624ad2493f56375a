import type { FastifyInstance } from "fastify";
import { PassThrough } from "node:stream";
import { badRequest, deadlineExceeded, failedPrecondition, invalidArgument } from "../errors.ts";
import type { Fly } from "../fly.ts";
import { signalName } from "../model/normalize.ts";
import type { MachineRecord } from "../model/records.ts";
import { bodyOf, optionalNumber, optionalString } from "../model/validate.ts";
import type { Body } from "../model/validate.ts";
import { ignoring } from "../runtime/docker.ts";
import { changeMachine, findMachine } from "./access.ts";

const DEFAULT_EXEC_S = 30;
const MAX_EXEC_S = 60;
/** Largest output of a command. Fly's own limit is unknown. */
const MAX_OUTPUT_BYTES = 16 * 1024 * 1024;

function containerOf(machine: MachineRecord): string {
    if (machine.state !== "started" || machine.container === undefined) {
        throw failedPrecondition(`machine not started, currently ${machine.state}`);
    }
    return machine.container;
}

function commandOf(body: Body): string[] {
    const { command } = body;
    if (Array.isArray(command) && command.length > 0) {
        if (command.every((part) => typeof part === "string")) return command;
        throw invalidArgument("invalid command, expected an array of strings");
    }
    const text = optionalString(body, "cmd");
    if (text === undefined) throw badRequest("command is required");
    // The deprecated form is one line, split at spaces outside of quotes.
    return [...text.matchAll(/"([^"]*)"|'([^']*)'|(\S+)/g)].map(
        ([, double, single, bare]) => double ?? single ?? bare ?? "",
    );
}

/** Reads a command's whole output, but keeps only its beginning. */
async function gather(stream: PassThrough): Promise<string> {
    const chunks: Buffer[] = [];
    let size = 0;
    for await (const chunk of stream as AsyncIterable<Buffer>) {
        if (size < MAX_OUTPUT_BYTES) chunks.push(chunk.subarray(0, MAX_OUTPUT_BYTES - size));
        size += chunk.length;
    }
    return Buffer.concat(chunks).toString();
}

async function run(fly: Fly, machine: MachineRecord, body: Body): Promise<object> {
    const command = commandOf(body);
    const stdin = optionalString(body, "stdin");
    const seconds = Math.min(optionalNumber(body, "timeout") ?? DEFAULT_EXEC_S, MAX_EXEC_S);
    const container = fly.containers.docker.getContainer(containerOf(machine));
    const exec = await container.exec({
        Cmd: command,
        AttachStdin: stdin !== undefined,
        AttachStdout: true,
        AttachStderr: true,
    });
    const stream = await exec.start({ hijack: true, stdin: stdin !== undefined });
    const stdout = new PassThrough();
    const stderr = new PassThrough();
    fly.containers.docker.modem.demuxStream(stream, stdout, stderr);
    const closed = () => {
        stdout.end();
        stderr.end();
    };
    stream.once("end", closed);
    stream.once("close", closed);
    if (stdin !== undefined) stream.end(stdin);
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<undefined>((resolve) => {
        timer = setTimeout(() => resolve(undefined), seconds * 1000);
    });
    const output = await Promise.race([Promise.all([gather(stdout), gather(stderr)]), late]);
    clearTimeout(timer);
    if (output === undefined) {
        stream.destroy();
        throw deadlineExceeded("exec", "running");
    }
    const { ExitCode: code } = await exec.inspect();
    const exitCode = code ?? 0;
    return {
        exit_code: exitCode,
        exit_signal: exitCode > 128 ? exitCode - 128 : 0,
        stdout: output[0],
        stderr: output[1],
    };
}

/** Routes of commands, signals and processes in a started machine. */
export function processRoutes(app: FastifyInstance, fly: Fly): void {
    const path = "/apps/:app/machines/:machine";

    app.post(`${path}/exec`, (request) =>
        run(fly, changeMachine(fly, request), bodyOf(request.body)),
    );

    app.post(`${path}/signal`, async (request) => {
        const machine = changeMachine(fly, request);
        const signal = signalName(bodyOf(request.body).signal);
        await ignoring([404, 409], fly.containers.signal(containerOf(machine), signal));
        return { ok: true };
    });

    app.get(`${path}/ps`, async (request) => {
        const machine = findMachine(request.view, request);
        const container = fly.containers.docker.getContainer(containerOf(machine));
        const top = (await container.top({
            ps_args: "-eo pid,rss,stime,time,args",
        })) as { Processes: string[][] };
        return top.Processes.map((row) => ({
            pid: Number(row[0]),
            rss: Number(row[1]) * 1024,
            stime: 0,
            rtime: 0,
            cpu: 0,
            command: row.slice(4).join(" "),
            directory: "/",
            listen_sockets: [],
        }));
    });
}
