/** A resource plugin under test, called as the engine calls it. */
import * as grpc from "@grpc/grpc-js";
import providerGrpc from "@pulumi/pulumi/proto/provider_grpc_pb.js";
import type * as types from "@pulumi/pulumi/proto/provider_pb.d.ts";
import messages from "@pulumi/pulumi/proto/provider_pb.js";
import type { JavaScriptValue } from "google-protobuf/google/protobuf/struct_pb.js";
import struct from "google-protobuf/google/protobuf/struct_pb.js";
import { binary } from "./binaries.ts";
import { type Engine, type LogLine, startEngine, startPlugin, type Started } from "./started.ts";

export type Properties = Record<string, JavaScriptValue>;

/** Placeholder for an unknown value in a preview, whatever its type. */
export const UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";
const SIGNATURE = "4dabf18193072939515e22adb298388d";
const SECRET = "1b47061264138c4ac30d75fd1eb44270";

export function secret(value: JavaScriptValue): Properties {
    return { [SIGNATURE]: SECRET, value };
}

export function isSecret(value: JavaScriptValue | undefined): boolean {
    return typeof value === "object" && value !== null && SIGNATURE in value;
}

/** The value without its secret mark. */
export function plain(value: JavaScriptValue | undefined): JavaScriptValue {
    return isSecret(value) ? ((value as Properties)["value"] ?? null) : (value ?? null);
}

export interface Change {
    changes: "none" | "some" | "unknown";
    replaces: string[];
    /** Changes: path → "add", "update" or "delete", with "-replace" if the change requires it. */
    detailed: Record<string, string>;
}

const KINDS = ["add", "add-replace", "delete", "delete-replace", "update", "update-replace"];

export interface Plugin {
    log: LogLine[];
    process: Started["process"];
    schema(): Promise<Record<string, unknown>>;
    configure(variables?: Record<string, string>): Promise<types.ConfigureResponse>;
    check(
        urn: string,
        news: Properties,
    ): Promise<{ inputs: Properties; failures: { property: string; reason: string }[] }>;
    diff(
        urn: string,
        state: Properties,
        news: Properties,
        oldInputs?: Properties,
        ignoreChanges?: string[],
    ): Promise<Change>;
    create(
        urn: string,
        news: Properties,
        preview?: boolean,
    ): Promise<{ id: string; properties: Properties }>;
    update(
        urn: string,
        state: Properties,
        news: Properties,
        preview?: boolean,
    ): Promise<Properties>;
    read(
        urn: string,
        id: string,
        state: Properties,
        inputs: Properties,
    ): Promise<{ id: string; properties: Properties; inputs: Properties }>;
    delete(urn: string, id: string, state: Properties): Promise<void>;
    cancel(): Promise<void>;
    stop(): Promise<void>;
}

export function urnOf(type: string, name = "it"): string {
    return `urn:pulumi:dev::test::${type}::${name}`;
}

/** Starts the plugin of that name ("tls"), connected to an engine of its own. */
export async function startProvider(
    name: string,
    options: { env?: NodeJS.ProcessEnv; cwd?: string } = {},
): Promise<Plugin> {
    const engine = await startEngine();
    const started = await startPlugin(binary(`pulumi-resource-${name}`), engine, options);
    const client = new providerGrpc.ResourceProviderClient(
        started.address,
        grpc.credentials.createInsecure(),
    );
    return { ...calls(client), log: engine.log, process: started.process, stop };

    async function stop(): Promise<void> {
        client.close();
        await started.stop();
        engine.close();
    }
}

export type { Engine };

function toStruct(value: Properties): InstanceType<typeof struct.Struct> {
    return struct.Struct.fromJavaScript(value);
}

function fromStruct(value: InstanceType<typeof struct.Struct> | undefined): Properties {
    return value?.toJavaScript() ?? {};
}

type Done<A> = (error: grpc.ServiceError | null, answer: A) => void;

function calls(
    client: InstanceType<typeof providerGrpc.ResourceProviderClient>,
): Omit<Plugin, "log" | "process" | "stop"> {
    /** The plugin's own message, without gRPC's prefix. */
    function call<A>(send: (done: Done<A>) => unknown): Promise<A> {
        return new Promise((resolve, reject) => {
            send((error, answer) => {
                if (error === null) resolve(answer);
                else reject(new Error(error.details));
            });
        });
    }
    return {
        async schema() {
            const answer = await call<types.GetSchemaResponse>((done) =>
                client.getSchema(new messages.GetSchemaRequest(), done),
            );
            return JSON.parse(answer.getSchema()) as Record<string, unknown>;
        },
        configure(variables = {}) {
            const request = new messages.ConfigureRequest();
            for (const [key, value] of Object.entries(variables)) {
                request.getVariablesMap().set(key, value);
            }
            request.setAcceptsecrets(true);
            return call<types.ConfigureResponse>((done) => client.configure(request, done));
        },
        async check(urn, news) {
            const request = new messages.CheckRequest();
            request.setUrn(urn);
            request.setNews(toStruct(news));
            const answer = await call<types.CheckResponse>((done) => client.check(request, done));
            const failures = answer.getFailuresList().map((failure) => ({
                property: failure.getProperty(),
                reason: failure.getReason(),
            }));
            return { inputs: fromStruct(answer.getInputs()), failures };
        },
        async diff(urn, state, news, oldInputs, ignoreChanges = []) {
            const request = new messages.DiffRequest();
            request.setUrn(urn);
            request.setId("id");
            request.setOlds(toStruct(state));
            request.setNews(toStruct(news));
            if (oldInputs !== undefined) request.setOldInputs(toStruct(oldInputs));
            request.setIgnorechangesList(ignoreChanges);
            const answer = await call<types.DiffResponse>((done) => client.diff(request, done));
            const detailed: Record<string, string> = {};
            answer.getDetaileddiffMap().forEach((change, at) => {
                detailed[at] = KINDS[change.getKind()]!;
            });
            return {
                changes: (["unknown", "none", "some"] as const)[answer.getChanges()],
                replaces: answer.getReplacesList(),
                detailed,
            };
        },
        async create(urn, news, preview = false) {
            const request = new messages.CreateRequest();
            request.setUrn(urn);
            request.setProperties(toStruct(news));
            request.setPreview(preview);
            const answer = await call<types.CreateResponse>((done) => client.create(request, done));
            return { id: answer.getId(), properties: fromStruct(answer.getProperties()) };
        },
        async update(urn, state, news, preview = false) {
            const request = new messages.UpdateRequest();
            request.setUrn(urn);
            request.setId("id");
            request.setOlds(toStruct(state));
            request.setNews(toStruct(news));
            request.setPreview(preview);
            const answer = await call<types.UpdateResponse>((done) => client.update(request, done));
            return fromStruct(answer.getProperties());
        },
        async read(urn, id, state, inputs) {
            const request = new messages.ReadRequest();
            request.setUrn(urn);
            request.setId(id);
            request.setProperties(toStruct(state));
            request.setInputs(toStruct(inputs));
            const answer = await call<types.ReadResponse>((done) => client.read(request, done));
            return {
                id: answer.getId(),
                properties: fromStruct(answer.getProperties()),
                inputs: fromStruct(answer.getInputs()),
            };
        },
        async delete(urn, id, state) {
            const request = new messages.DeleteRequest();
            request.setUrn(urn);
            request.setId(id);
            request.setProperties(toStruct(state));
            await call<unknown>((done) => client.delete(request, done));
        },
        async cancel() {
            const { default: empty } = await import("google-protobuf/google/protobuf/empty_pb.js");
            await call((done) => client.cancel(new empty.Empty(), done));
        },
    };
}
