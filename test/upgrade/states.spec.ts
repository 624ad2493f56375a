// core
/**
 * Previews states of earlier versions: nothing is replaced or deleted. They were recorded by
 * `pulumi stack export --show-secrets` after a deployment to a local Fly:
 *
 * - standard: the dev stack unchanged.
 * - devices: two CAs, certificates for devices (one of them removed), and a password set by the user.
 * - edge: TLS and WebSockets terminated at Fly's edge, with a custom host name.
 * - program: the last state whose components were in the program itself; one of each.
 */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { parse } from "yaml";
import { devStackIn, saltIn } from "../../dev/toolchain/devStack.ts";
import { Project } from "../../dev/harness/project.ts";
import { changes, destructive, type Step } from "./support/steps.ts";

const STATES = path.join(import.meta.dirname, "states");
const HOUR_MS = 3600 * 1000;

/** Steps for the image, which this local Fly does not have, and its dependents. */
const OF_IMAGE =
    /^(?:update .*(?:Image::mosquitto:image:broker|Machine::mosquitto:broker:mosquitto)|replace .*Command::.*)$/;

interface Recorded {
    readonly urn: string;
    readonly outputs?: { validityEndTime?: string; earlyRenewalHours?: number };
}

describe("state of an earlier version", function () {
    this.timeout(180_000);
    let project: Project;
    let places: Record<string, string>;

    before(async () => {
        project = await Project.make();
        const { config } = parse(project.read("Pulumi.dev.yaml")) as {
            config: Record<string, string>;
        };
        places = {
            "http://fly.test": config["appkata-mqtt:endpoint"]!,
            "registry.test": config["appkata-mqtt:registry"]!,
        };
    });
    after(async () => {
        await project.remove();
    });

    function recorded(file: string): string {
        let text = readFileSync(path.join(STATES, file), "utf8");
        for (const [recorded, place] of Object.entries(places))
            text = text.replaceAll(recorded, place);
        return text;
    }

    async function ok(args: string[]): Promise<string> {
        const run = await project.pulumi(args);
        assert.equal(run.code, 0, run.output);
        return run.stdout;
    }

    /** Imports a state; its secrets are in clear text, and become encrypted as the stack's own. */
    async function importState(state: { deployment: object }): Promise<void> {
        await ok(["stack"]);
        const salt = saltIn(devStackIn(project.dir).file)!.replace("encryptionsalt: ", "");
        const deployment = {
            ...state.deployment,
            secrets_providers: { type: "passphrase", state: { salt } },
        };
        const file = path.join(project.dir, "state.json");
        writeFileSync(file, JSON.stringify({ ...state, deployment }));
        await ok(["stack", "import", "--file", file]);
    }

    /** Steps of a preview with a recorded state, except renewals of certificates. */
    async function stepsFrom(name: string): Promise<Step[]> {
        // This local Fly does not have the recorded volume.
        const discard = "config:\n  appkata-mqtt:volumeReplacement: discard";
        project.edit("Pulumi.dev.yaml", () =>
            recorded(`${name}.yaml`).replace(/^config:/m, discard),
        );
        const text = recorded(`${name}.json`);
        await importState(JSON.parse(text) as { deployment: object });
        const { steps } = JSON.parse(await ok(["preview", "--json"])) as { steps: Step[] };
        const { deployment } = JSON.parse(text) as { deployment: { resources: Recorded[] } };
        return steps.filter(({ urn }) => !isRenewal(urn, deployment.resources));
    }

    for (const name of ["standard", "devices", "edge", "program"]) {
        it(`${name}: nothing is replaced, and nothing deleted without a successor`, async () => {
            assert.deepEqual(destructive(await stepsFrom(name)), []);
        });
    }

    it("program: the component is created, and nothing else changes", async () => {
        const others = changes(await stepsFrom("program")).filter((line) => !OF_IMAGE.test(line));
        assert.deepEqual(others, ["create appkata-mqtt:index:MosquittoBroker::mosquitto"]);
    });

    /** Whether a recorded certificate is due for renewal by now. */
    function isRenewal(urn: string, resources: readonly Recorded[]): boolean {
        const { outputs } = resources.find((resource) => resource.urn === urn) ?? {};
        if (outputs?.validityEndTime === undefined) return false;
        const early = (outputs.earlyRenewalHours ?? 0) * HOUR_MS;
        return Date.now() > Date.parse(outputs.validityEndTime) - early;
    }
});
