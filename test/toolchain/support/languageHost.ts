/** A language host under test, which starts the test's script instead of the SDK's runner. */
import * as grpc from "@grpc/grpc-js";
import languageGrpc from "@pulumi/pulumi/proto/language_grpc_pb.js";
import messages from "@pulumi/pulumi/proto/language_pb.js";
import type * as types from "@pulumi/pulumi/proto/language_pb.d.ts";
import type * as pluginTypes from "@pulumi/pulumi/proto/plugin_pb.d.ts";
import empty from "google-protobuf/google/protobuf/empty_pb.js";
import struct from "google-protobuf/google/protobuf/struct_pb.js";
import { binary } from "./binaries.ts";
import { startEngine, startPlugin, type Engine, type Started } from "./started.ts";

export interface RunOptions {
    dryRun?: boolean;
    config?: Record<string, string>;
    secretKeys?: string[];
    /** `runtime.options` of Pulumi.yaml. */
    options?: Record<string, string | boolean>;
}

export interface LanguageHost {
    engine: Engine;
    process: Started["process"];
    /** Starts a run, and resolves when the program has exited. */
    run(programDir: string, options?: RunOptions): Promise<{ error: string; bail: boolean }>;
    packages(programDir: string): Promise<pluginTypes.PackageDependency.AsObject[]>;
    dependencies(programDir: string): Promise<Record<string, string>>;
    about(programDir: string): Promise<types.AboutResponse.AsObject>;
    cancel(): Promise<void>;
    stop(): Promise<void>;
}

export async function startLanguageHost(env: NodeJS.ProcessEnv): Promise<LanguageHost> {
    const engine = await startEngine();
    const started = await startPlugin(binary("pulumi-language-nodejs"), engine, {
        env,
        quiet: true,
    });
    const client = new languageGrpc.LanguageRuntimeClient(
        started.address,
        grpc.credentials.createInsecure(),
    );
    function call<A>(
        send: (done: (error: grpc.ServiceError | null, answer: A) => void) => unknown,
    ): Promise<A> {
        return new Promise((resolve, reject) => {
            send((error, answer) =>
                error === null ? resolve(answer) : reject(new Error(error.details)),
            );
        });
    }
    function info(programDir: string, options: RunOptions["options"] = {}) {
        const program = new messages.ProgramInfo();
        program.setRootDirectory(programDir);
        program.setProgramDirectory(programDir);
        program.setEntryPoint(".");
        program.setOptions(struct.Struct.fromJavaScript(options));
        return program;
    }
    return {
        engine,
        process: started.process,
        async run(programDir, options = {}) {
            const request = new messages.RunRequest();
            request.setProject("project");
            request.setStack("dev");
            request.setOrganization("organization");
            request.setParallel(16);
            request.setMonitorAddress("127.0.0.1:1");
            request.setDryrun(options.dryRun ?? false);
            request.setInfo(info(programDir, options.options));
            request.setConfigsecretkeysList(options.secretKeys ?? []);
            for (const [key, value] of Object.entries(options.config ?? {})) {
                request.getConfigMap().set(key, value);
            }
            const answer = await call<types.RunResponse>((done) => client.run(request, done));
            return { error: answer.getError(), bail: answer.getBail() };
        },
        async packages(programDir) {
            const request = new messages.GetRequiredPackagesRequest();
            request.setInfo(info(programDir));
            const answer = await call<types.GetRequiredPackagesResponse>((done) =>
                client.getRequiredPackages(request, done),
            );
            return answer.getPackagesList().map((one) => one.toObject());
        },
        async dependencies(programDir) {
            const request = new messages.GetProgramDependenciesRequest();
            request.setInfo(info(programDir));
            const answer = await call<types.GetProgramDependenciesResponse>((done) =>
                client.getProgramDependencies(request, done),
            );
            const list = answer.getDependenciesList();
            return Object.fromEntries(list.map((one) => [one.getName(), one.getVersion()]));
        },
        async about(programDir) {
            const request = new messages.AboutRequest();
            request.setInfo(info(programDir));
            const answer = await call<types.AboutResponse>((done) => client.about(request, done));
            return answer.toObject();
        },
        async cancel() {
            await call((done) => client.cancel(new empty.Empty(), done));
        },
        async stop() {
            client.close();
            await started.stop();
            engine.close();
        },
    };
}
