/** A canvas that fits its element at the screen's resolution, and paints at most once a frame. */

export type Paint = (context: CanvasRenderingContext2D, width: number, height: number) => void;

export class Surface {
  width = 0;
  height = 0;
  private readonly context: CanvasRenderingContext2D;
  private readonly observer: ResizeObserver;
  private frame = 0;
  private isReady = false;

  constructor(
    private readonly canvas: HTMLCanvasElement,
    private readonly paint: Paint,
    private readonly resized: (width: number, height: number) => void = () => undefined,
  ) {
    this.context = canvas.getContext("2d")!;
    this.observer = new ResizeObserver(() => this.fit());
    this.observer.observe(canvas.parentElement!);
    this.fit();
  }

  private fit(): void {
    const { clientWidth, clientHeight } = this.canvas.parentElement!;
    if (clientWidth === this.width && clientHeight === this.height) return;
    this.width = clientWidth;
    this.height = clientHeight;
    const ratio = devicePixelRatio;
    this.canvas.width = Math.round(clientWidth * ratio);
    this.canvas.height = Math.round(clientHeight * ratio);
    this.canvas.style.width = `${clientWidth}px`;
    this.canvas.style.height = `${clientHeight}px`;
    this.resized(clientWidth, clientHeight);
    // Setting the size cleared the canvas: with the next frame it would be seen empty.
    if (this.isReady) this.draw();
    else this.request();
    this.isReady = true;
  }

  /** Paint with the next frame. */
  request(): void {
    if (this.frame === 0) this.frame = requestAnimationFrame(() => this.draw());
  }

  private draw(): void {
    cancelAnimationFrame(this.frame);
    this.frame = 0;
    const { context, width, height } = this;
    if (width === 0 || height === 0) return;
    context.setTransform(devicePixelRatio, 0, 0, devicePixelRatio, 0, 0);
    context.clearRect(0, 0, width, height);
    this.paint(context, width, height);
  }

  close(): void {
    cancelAnimationFrame(this.frame);
    this.observer.disconnect();
  }
}
