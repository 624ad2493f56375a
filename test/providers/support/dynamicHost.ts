/** Pulumi's own host for dynamic providers, from the SDK, called without an engine. */
import type * as Grpc from "@grpc/grpc-js";
import { spawn, type ChildProcess } from "node:child_process";
import { createRequire } from "node:module";
import { ROOT } from "../../../lib/paths.ts";

const require = createRequire(import.meta.url);
const HOST = require.resolve("@pulumi/pulumi/cmd/dynamic-provider/index.js");
const grpc = require("@grpc/grpc-js") as typeof Grpc;
const { ResourceProviderClient } = require("@pulumi/pulumi/proto/provider_grpc_pb.js") as {
    ResourceProviderClient: new (address: string, credentials: unknown) => Calls;
};
const messages = require("@pulumi/pulumi/proto/provider_pb.js") as Record<
    string,
    new () => Message
>;
const { Empty } = require("google-protobuf/google/protobuf/empty_pb.js") as {
    Empty: new () => Message;
};
const { Struct } = require("google-protobuf/google/protobuf/struct_pb.js") as {
    Struct: { fromJavaScript(value: object): unknown };
};
const { ErrorResourceInitFailed } = messages as unknown as {
    ErrorResourceInitFailed: { deserializeBinary(bytes: Uint8Array): InitFailed };
};
const { Status } = require("@pulumi/pulumi/proto/status_pb.js") as {
    Status: { deserializeBinary(bytes: Uint8Array): StatusMessage };
};

type Message = Record<string, (value: unknown) => void>;

interface InitFailed {
    getId(): string;
    getReasonsList(): string[];
}

interface StatusMessage {
    getDetailsList(): { unpack<T>(read: (bytes: Uint8Array) => T, name: string): T | null }[];
}

type Answer = (
    error: Error | null,
    answer?: { getProperties(): { toJavaScript(): object } },
) => void;

interface Calls {
    configure(request: Message, answer: Answer): void;
    create(request: Message, answer: Answer): void;
    update(request: Message, answer: Answer): void;
    cancel(request: Message, answer: Answer): void;
    close(): void;
}

/** State that a failed call leaves. */
export interface Failure {
    readonly message: string;
    readonly id: string | undefined;
}

export class DynamicHost {
    readonly #child: ChildProcess;
    readonly #calls: Calls;

    private constructor(child: ChildProcess, port: string) {
        this.#child = child;
        this.#calls = new ResourceProviderClient(
            `127.0.0.1:${port}`,
            grpc.credentials.createInsecure(),
        );
    }

    /** @param env with the token */
    static async start(env: NodeJS.ProcessEnv): Promise<DynamicHost> {
        // The host needs an engine's address, but asks it nothing here.
        const child = spawn(process.execPath, [HOST, "127.0.0.1:1"], {
            cwd: ROOT,
            env,
            stdio: ["ignore", "pipe", "inherit"],
        });
        const port = await new Promise<string>((resolve, reject) => {
            child.stdout.setEncoding("utf8").once("data", (text: string) => resolve(text.trim()));
            child.once("exit", (code) => reject(new Error(`the host ended with ${code}`)));
        });
        const host = new DynamicHost(child, port);
        await host.#call("configure", "ConfigureRequest", { Args: {} });
        return host;
    }

    /** @throws Failure */
    create(properties: object): Promise<object> {
        return this.#call("create", "CreateRequest", { Properties: properties });
    }

    /** @throws Failure */
    update(id: string, olds: object, news: object): Promise<object> {
        return this.#call("update", "UpdateRequest", { Olds: olds, News: news }, id);
    }

    cancel(): Promise<void> {
        return new Promise((resolve, reject) =>
            this.#calls.cancel(new Empty(), (error) => (error ? reject(error) : resolve())),
        );
    }

    async close(): Promise<void> {
        this.#calls.close();
        if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
        const ended = new Promise((resolve) => this.#child.once("exit", resolve));
        this.#child.kill();
        await ended;
    }

    #call(
        method: "configure" | "create" | "update",
        type: string,
        structs: Record<string, object>,
        id?: string,
    ): Promise<object> {
        const request = new messages[type]!();
        if (id !== undefined) request.setId!(id);
        for (const [name, value] of Object.entries(structs)) {
            request[`set${name}`]!(Struct.fromJavaScript(value));
        }
        return new Promise((resolve, reject) =>
            this.#calls[method](request, (error, answer) =>
                // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors
                error ? reject(failureOf(error)) : resolve(propertiesOf(method, answer)),
            ),
        );
    }
}

function propertiesOf(method: string, answer: Parameters<Answer>[1]): object {
    return method === "configure" ? {} : (answer?.getProperties().toJavaScript() ?? {});
}

function failureOf(error: unknown): Failure {
    const { details, metadata } = error as {
        details: string;
        metadata?: Grpc.Metadata;
    };
    const [bytes] = metadata?.get("grpc-status-details-bin") ?? [];
    const [detail] =
        bytes === undefined ? [] : Status.deserializeBinary(bytes as Uint8Array).getDetailsList();
    const failed = detail?.unpack(
        (raw) => ErrorResourceInitFailed.deserializeBinary(raw),
        "pulumirpc.ErrorResourceInitFailed",
    );
    return { message: failed?.getReasonsList().join() ?? details, id: failed?.getId() };
}
