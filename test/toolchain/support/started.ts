/** Starts plugins and language hosts as the engine does, with an engine that only listens. */
import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import * as grpc from "@grpc/grpc-js";
import engineGrpc from "@pulumi/pulumi/proto/engine_grpc_pb.js";
import type * as engineTypes from "@pulumi/pulumi/proto/engine_pb.d.ts";
import empty from "google-protobuf/google/protobuf/empty_pb.js";

export interface LogLine {
    message: string;
    /** debug 0, info 1, warning 2, error 3 */
    severity: number;
    /** Shown only while the resource is worked on. */
    ephemeral: boolean;
    urn: string;
}

export interface Engine {
    address: string;
    log: LogLine[];
    close(): void;
}

/** An engine that collects log lines. */
export async function startEngine(): Promise<Engine> {
    const log: LogLine[] = [];
    const server = new grpc.Server();
    server.addService(engineGrpc.EngineService, {
        log(
            call: grpc.ServerUnaryCall<engineTypes.LogRequest, unknown>,
            done: grpc.sendUnaryData<unknown>,
        ) {
            log.push({
                message: call.request.getMessage(),
                severity: call.request.getSeverity(),
                ephemeral: call.request.getEphemeral(),
                urn: call.request.getUrn(),
            });
            done(null, new empty.Empty());
        },
    });
    const port = await new Promise<number>((resolve, reject) => {
        const credentials = grpc.ServerCredentials.createInsecure();
        server.bindAsync("127.0.0.1:0", credentials, (error, bound) =>
            error === null ? resolve(bound) : reject(error),
        );
    });
    return { address: `127.0.0.1:${port}`, log, close: () => server.forceShutdown() };
}

export interface Started {
    process: ChildProcess;
    address: string;
    stop(): Promise<void>;
}

/** Starts a plugin and reads its port. Stops it with SIGTERM, which the engine tries first. */
export async function startPlugin(
    file: string,
    engine: Engine,
    options: { env?: NodeJS.ProcessEnv; cwd?: string; quiet?: boolean } = {},
): Promise<Started> {
    const child = spawn(file, [engine.address], {
        stdio: ["ignore", "pipe", options.quiet === true ? "ignore" : "inherit"],
        env: options.env ?? process.env,
        cwd: options.cwd,
    });
    const lines = createInterface({ input: child.stdout });
    const port = await new Promise<string>((resolve, reject) => {
        lines.once("line", resolve);
        child.once("error", reject);
        child.once("exit", (code) => reject(new Error(`${file} ended with ${code}`)));
    });
    return {
        process: child,
        address: `127.0.0.1:${port}`,
        async stop() {
            if (child.exitCode !== null || child.signalCode !== null) return;
            const ended = new Promise((resolve) => child.once("exit", resolve));
            child.kill("SIGTERM");
            await ended;
        },
    };
}
