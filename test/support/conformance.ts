/**
 * Public suites that test a broker from outside: Paho's for Python (MQTT 5.0) and Paho's for Go (3.1.1).
 * Both come unchanged from their package registries, and support neither TLS nor passwords.
 */
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from "node:fs";
import path from "node:path";
import { ROOT, TOOLCHAIN } from "../../lib/paths.ts";
import { capture } from "../../lib/process.ts";
import { plainFront, type Behind } from "./plainFront.ts";

/** Case → its failure, with the suite's line that reports it; undefined: it passed. */
export type Cases = Map<string, string | undefined>;

const FOLDER = path.join(ROOT, "test", "conformance");
const PYTHON_PACKAGE = "paho-mqtt==2.2.0";
const GO_PACKAGE = "github.com/eclipse/paho.mqtt.golang";
const TIMEOUT_MS = 300_000;

/** Cases of Paho's for Go that need a broker: the others test the client alone, or other listeners. */
const GO_CASES = [
    ...["Start", "Disconnect", "Publish", "Subscribe", "Will", "CleanSession", "Binary_Will"],
    ...["p[012]s[012]", "ping1_idle5", "autoreconnect", "MultipleURLs", "cleanUpMids"],
    ...["ResumeSubs", "OverLengthTopic"],
];

/** Name, output, outcome; a case that ends the program has no outcome, nor do those after it. */
const GO_CASE =
    /^=== RUN {3}Test_(\S+)\n([^]*?)(?:^--- (PASS|FAIL): Test_\1 .*\n|^panic: |$(?![^]))/gm;
const GO_LINE = /^ {4}\S+_test\.go:\d+: .*/gm;

/** It clears all retained messages on its way, so nothing else may use the broker meanwhile. */
export async function mqtt5Cases(broker: Behind): Promise<Cases> {
    const folder = await (pythonFolder ??= pythonSuite());
    const front = await plainFront(broker);
    try {
        const driver = path.join(FOLDER, "paho5.py");
        const run = await capture(["python3", driver, folder, String(front.port)], {
            timeoutMs: TIMEOUT_MS,
        });
        const lines = run.stdout.split("\n").filter((line) => line.startsWith("{"));
        if (lines.length === 0) throw new Error(`python3 paho5.py: ${run.stderr}`);
        const all = lines.map(
            (line) => JSON.parse(line) as { name: string; outcome: string; detail: string },
        );
        return new Map(
            all.map(({ name, outcome, detail }) => [
                name,
                outcome === "passed" ? undefined : `${outcome}: ${detail}`,
            ]),
        );
    } finally {
        front.close();
    }
}

/** @param host an address of 127.0.0.0/8 with a free port 1883, which the suite requires */
export async function mqtt3Cases(broker: Behind, host: string): Promise<Cases> {
    const front = await plainFront(broker, { host, port: 1883 });
    try {
        const only = `^Test_(${GO_CASES.join("|")})`;
        // It stops itself in time: killed from here, it would leave its child process behind.
        const limit = `-timeout=${TIMEOUT_MS / 1000}s`;
        const run = await capture(
            ["go", "test", "-count=1", "-v", limit, "-run", only, GO_PACKAGE],
            { cwd: FOLDER, env: { ...process.env, TEST_FVT_ADDR: host } },
        );
        const told = [...run.stdout.matchAll(GO_CASE)];
        if (told.length === 0) throw new Error(`go test: ${run.stdout}${run.stderr}`);
        return new Map(
            told.map(([, name, text, outcome]) => [
                name!,
                outcome === "PASS" ? undefined : [...text!.matchAll(GO_LINE)].join(" "),
            ]),
        );
    } finally {
        front.close();
    }
}

let pythonFolder: Promise<string> | undefined;

/** The package's source, which has the tests; downloaded once. */
async function pythonSuite(): Promise<string> {
    const folder = path.join(TOOLCHAIN, PYTHON_PACKAGE.replace("==", "-"));
    if (existsSync(folder)) return folder;
    const partial = `${folder}.partial`;
    rmSync(partial, { recursive: true, force: true });
    mkdirSync(partial, { recursive: true });
    await must([
        ...["python3", "-m", "pip", "download", "-q", "--no-deps", "--no-binary", ":all:"],
        ...["-d", partial, PYTHON_PACKAGE],
    ]);
    const archive = readdirSync(partial).find((name) => name.endsWith(".tar.gz"))!;
    await must([
        "tar",
        "xzf",
        path.join(partial, archive),
        "-C",
        partial,
        "--strip-components",
        "1",
    ]);
    renameSync(partial, folder);
    return folder;
}

async function must(command: string[]): Promise<void> {
    const ended = await capture(command);
    if (ended.code !== 0) throw new Error(`${command.join(" ")}: ${ended.stderr}`);
}
