/**
 * A stack of the smallest program with one of each of Fly's resources. Several objects may claim to be the
 * same stack.
 */
import type { LocalFly } from "../../../dev/fly/index.ts";
import { ProgramStack } from "../../../dev/harness/programStack.ts";
import { PROGRAM, PROJECT, RESOURCES } from "./smallProgram.ts";

/** Settings of the program; an `up` can change each. */
export interface SmallSettings {
    memoryMb: number;
    volumeSizeGb: number;
    /** The value of the app secret `SECRET`. */
    secret: string;
    ipv4: boolean;
    /** The port open to the outside. */
    port: number;
    /** Seconds for each operation on the machine. @default 60 */
    timeoutS?: number;
}

export class SmallStack extends ProgramStack {
    readonly fly: LocalFly;
    readonly app: string;
    /** Every secret value it was ever given. */
    readonly secrets = new Set<string>();
    #image: string;
    #settings: SmallSettings;
    /** Logical names that the program has changed. */
    readonly #renamed = new Set<string>();
    #aliased = false;
    /** Resources created outside the program: paths below the app's. */
    readonly clones: string[] = [];

    private constructor(fly: LocalFly, app: string, image: string, settings: SmallSettings) {
        super({ project: PROJECT, text: PROGRAM, token: fly.token });
        this.fly = fly;
        this.app = app;
        this.#image = image;
        this.#settings = settings;
    }

    /** @param image reference by digest, of an image with a shell and httpd */
    static async make(
        fly: LocalFly,
        app: string,
        image: string,
        settings: SmallSettings,
    ): Promise<SmallStack> {
        const stack = new SmallStack(fly, app, image, settings);
        stack.configure({});
        await stack.init();
        return stack;
    }

    get settings(): Readonly<SmallSettings> {
        return this.#settings;
    }

    configure(change: Partial<SmallSettings>): void {
        this.#settings = { ...this.#settings, ...change };
        this.secrets.add(this.#settings.secret);
        const { endpoint } = this.fly;
        const names = { renamed: [...this.#renamed], aliased: this.#aliased };
        const said = { endpoint, image: this.#image, app: this.app, settings: this.#settings };
        this.write("settings.json", JSON.stringify({ ...said, ...names }));
    }

    /** @param image reference by digest */
    changeImage(image: string): void {
        this.#image = image;
        this.configure({});
    }

    urn(resource: keyof typeof RESOURCES): string {
        const type = "pulumi-nodejs:dynamic/fly";
        const [, logical] = RESOURCES[resource].split("::");
        const ending = this.#renamed.has(logical!) ? "-renamed" : "";
        return `urn:pulumi:${this.name}::${PROJECT}::${type}:${RESOURCES[resource]}${ending}`;
    }

    /** Gives a resource its other logical name. @param aliased whether the program declares the former one */
    renameInCode(resource: keyof typeof RESOURCES, aliased: boolean): void {
        const [, logical] = RESOURCES[resource].split("::");
        if (!this.#renamed.delete(logical!)) this.#renamed.add(logical!);
        this.#aliased = aliased;
        this.configure({});
    }

    /** Renames the stack, or gives it back its first name. */
    async renameStack(): Promise<void> {
        await this.rename(this.name === "dev" ? "renamed" : "dev");
    }
}
