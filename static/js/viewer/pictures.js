"use strict";
/* Pictures that the server makes, of frames too large to be sent as samples. One is asked for
   at a time: while it comes, only the newest wish is kept. */
class Pictures {
  constructor(arrived, failed) { Object.assign(this, { arrived, failed, wish: "", asks: false }); }

  want(url) {
    this.wish = url;
    if (this.asks) return;
    this.asks = true;
    const image = Object.assign(new Image(), { src: url });
    image.decode().then(() => this.arrived(image), () => this.failed()).finally(() => {
      this.asks = false;
      if (this.wish !== url) this.want(this.wish);
    });
  }
}
