/** Verifies a deployed broker as `up` does: `npm run verify [-- --stack STACK]`. */
import { spawnSync } from "node:child_process";
import path from "node:path";
import { parseArgs } from "node:util";
import { LOCAL_FLY, ROOT } from "../lib/paths.ts";
import { say } from "../lib/process.ts";
import { askMachine, unknownData } from "../verification/machineData.ts";
import { inspect } from "../verification/deployment.ts";
import { localFly, refusedPorts } from "./fly.ts";
import { meansDev, publicTrust } from "./stack.ts";
import { brokerOutputs, stackOnFly } from "./stackOnFly.ts";

const { values } = parseArgs({ options: { stack: { type: "string" } } });
const outputs = await brokerOutputs(values.stack, true).catch((error: Error) => {
    say(error.message);
    process.exit(1);
});
// A URL omits its scheme's default port.
const webSocketsPort = new URL(outputs.webSocketUrl ?? "wss://none").port || 443;
if (outputs.verifier === undefined || outputs.verificationLogins === undefined) {
    say(
        "The stack was deployed by an earlier version, which lacks outputs that the verification needs: run `pulumi up` first.",
    );
    process.exit(1);
}
say(`Verifying ${outputs.url} …`);
try {
    await machineRuns();
} catch (error) {
    say(`FAILED            machine - ${(error as Error).message}`);
    process.exit(1);
}
const { status } = spawnSync(process.execPath, [path.join(ROOT, "verification", "main.ts")], {
    stdio: ["pipe", "inherit", "inherit"],
    input: JSON.stringify(outputs.verificationLogins),
    env: {
        ...process.env,
        ...(meansDev(values.stack) && publicTrust()),
        MQTT_ADDRESS: outputs.address,
        MQTT_PORT: String(outputs.port),
        MQTT_HOSTNAME: outputs.hostname,
        MQTT_CA_PEM: outputs.caCertificatePem,
        MQTT_TLS: outputs.tls ?? "broker",
        MQTT_WEBSOCKETS: outputs.webSockets ?? "off",
        MQTT_WEBSOCKETS_PORT: String(webSocketsPort),
        MQTT_USERNAME: outputs.verifier.username,
        MQTT_PASSWORD: outputs.verifier.password,
    },
});
process.exit(status ?? 1);

/**
 * Inspects the machine before the first connection, since Fly's proxy starts a stopped machine when a
 * client connects. Prints warnings about its data.
 * @throws Error when it does not run, is not the only broker, or cannot be asked
 */
async function machineRuns(): Promise<void> {
    const { client, app, machineId, volumeId, retains } = await stackOnFly(values.stack, outputs);
    const deployment = { app, machineId, volumeId };
    const { problem, others } = await inspect(client, deployment);
    const refused = meansDev(values.stack) ? refusedPorts(await localFly(LOCAL_FLY)) : undefined;
    if (problem !== undefined || refused !== undefined) throw new Error(problem ?? refused);
    const wrong = others.filter(
        ({ kind }) => kind === "here" || (kind === "elsewhere" && !retains),
    );
    if (wrong.length > 0) throw new Error(wrong.map(({ text }) => text).join("\n"));
    const { full, warnings } = await askMachine(client, app, machineId).catch(unknownData);
    if (full !== undefined) throw new Error(full);
    for (const { text } of others) say(`WARNING           ${text}`);
    for (const line of warnings) say(`WARNING           ${line}`);
}
