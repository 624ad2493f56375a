/** Builds a machine's state from Fly's answer. */
import { inputsOf, toState, type WithProvider } from "../../provider.ts";
import { configDifferences, withoutFlyDefaults } from "./configDiff.ts";
import { differencesFrom, effectiveConfig, splitMetadata } from "./config.ts";
import { MACHINE_RULES, type MachineInputs, type MachineOutputs } from "./inputs.ts";
import type { Owner } from "../ownership.ts";
import type { MachineConfig, WireMachine } from "../api/types.ts";

const NOBODY: Owner = { project: "", stack: "" };

/** Builds the inputs that match the machine: the state's own where they mean the same. */
export function inputsFrom(props: MachineOutputs, found: WireMachine): WithProvider<MachineInputs> {
    // The state of an older version may lack the owner; the machine's metadata has it.
    const { owner: recorded = NOBODY }: Partial<MachineInputs> = props;
    const inputs = { ...inputsOf<MachineInputs>(props, MACHINE_RULES), owner: recorded };
    // While its host is unreachable, Fly knows only part of the config: nothing to compare.
    if (!found.config) {
        return inputs;
    }
    if (differencesFrom(effectiveConfig(inputs), found.config).length === 0) {
        return inputs;
    }
    const { metadata, owner, secretsVersion: has = 0 } = splitMetadata(found.config, inputs.config);
    const { secretsVersion } = inputs;
    const config = sameButMetadata(inputs.config, found.config)
        ? inputs.config
        : withoutFlyDefaults(found.config, inputs.config);
    return {
        ...inputs,
        owner,
        ...(secretsVersion !== undefined && { secretsVersion: Math.min(secretsVersion, has) }),
        config: {
            ...config,
            metadata: Object.keys(metadata).length > 0 ? metadata : undefined,
        } as MachineConfig,
    };
}

function sameButMetadata(a: MachineConfig, b: MachineConfig): boolean {
    return configDifferences({ ...a, metadata: {} }, { ...b, metadata: {} }).length === 0;
}

export function toOutputs(inputs: WithProvider<MachineInputs>, found: WireMachine): MachineOutputs {
    const instanceId = found.instance_id ?? "";
    return toState({
        ...inputs,
        machineId: found.id,
        instanceId,
        version: String(found.version ?? instanceId),
        state: found.state,
        privateIp: found.private_ip ?? "",
        imageDigest:
            found.image_ref?.digest ?? digestOf(found.config?.image ?? inputs.config.image),
    });
}

function digestOf(image: string): string {
    return /sha256:[0-9a-f]{64}/.exec(image)?.[0] ?? "";
}
