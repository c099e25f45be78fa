/* JPEG, written and read again by libjpeg: colour as YCbCr with halved chroma, one channel as grey, any other number
 * channel by channel. */
#include <math.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>

#include "corrupt.h"

#include <jpeglib.h> /* needs stdio.h */

/* libjpeg would end the program. */
typedef struct {
  struct jpeg_error_mgr base;
  jmp_buf out;
} errors;

static void leave(j_common_ptr info)
{
  longjmp(((errors *)(void *)info->err)->out, 1);
}

static void say_nothing(j_common_ptr info)
{
  (void)info;
}

static struct jpeg_error_mgr *quiet(errors *e)
{
  struct jpeg_error_mgr *base = jpeg_std_error(&e->base);
  base->error_exit = leave;
  base->output_message = say_nothing;
  return base;
}

/* rows: height x width x components bytes. *file: by malloc. */
static facet_status compress(const unsigned char *rows, const facet_canvas *c, int components, unsigned char **file,
                             unsigned long *size)
{
  struct jpeg_compress_struct info;
  errors e;
  info.err = quiet(&e);
  if (setjmp(e.out)) {
    jpeg_destroy_compress(&info);
    return facet_raise(FACET_OS, "libjpeg could not write an image");
  }
  jpeg_create_compress(&info);
  jpeg_mem_dest(&info, file, size);
  info.image_width = (JDIMENSION)c->width;
  info.image_height = (JDIMENSION)c->height;
  info.input_components = components;
  info.in_color_space = components == 3 ? JCS_RGB : JCS_GRAYSCALE;
  jpeg_set_defaults(&info);
  jpeg_set_quality(&info, (int)c->constant[0], TRUE);
  jpeg_start_compress(&info, TRUE);
  while (info.next_scanline < info.image_height) {
    JSAMPROW row = (JSAMPROW)(uintptr_t)(rows + (size_t)info.next_scanline * (size_t)c->width * (size_t)components);
    (void)jpeg_write_scanlines(&info, &row, 1);
  }
  jpeg_finish_compress(&info);
  jpeg_destroy_compress(&info);
  return FACET_OK;
}

static facet_status decompress(const unsigned char *file, unsigned long size, int64_t width, int components,
                               unsigned char *rows)
{
  struct jpeg_decompress_struct info;
  errors e;
  info.err = quiet(&e);
  if (setjmp(e.out)) {
    jpeg_destroy_decompress(&info);
    return facet_raise(FACET_OS, "libjpeg could not read an image");
  }
  jpeg_create_decompress(&info);
  jpeg_mem_src(&info, file, size);
  (void)jpeg_read_header(&info, TRUE);
  (void)jpeg_start_decompress(&info);
  while (info.output_scanline < info.output_height) {
    JSAMPROW row = rows + (size_t)info.output_scanline * (size_t)width * (size_t)components;
    (void)jpeg_read_scanlines(&info, &row, 1);
  }
  (void)jpeg_finish_decompress(&info);
  jpeg_destroy_decompress(&info);
  return FACET_OK;
}

/* `components` channels at once; bytes in the scratch room. */
static facet_status there_and_back(const facet_canvas *c, int components, double *pixels)
{
  int64_t n = c->plane;
  unsigned char *rows = (unsigned char *)c->room[0], *file = NULL;
  unsigned long size = 0;
  for (int64_t i = 0; i < n * components; i++)
    rows[i] = (unsigned char)rint(255 * fmin(fmax(pixels[i % components * n + i / components], 0), 1));
  facet_status status;
  FACET_GO(done, status, compress(rows, c, components, &file, &size));
  status = decompress(file, size, c->width, components, rows);
done:
  free(file);
  for (int64_t i = 0; status == FACET_OK && i < n * components; i++)
    pixels[i % components * n + i / components] = rows[i] / 255.0;
  return status;
}

facet_status facet_jpeg(const facet_canvas *c, double *pixels)
{
  if (c->channels == 3)
    return there_and_back(c, 3, pixels);
  for (int64_t k = 0; k < c->channels; k++)
    FACET_TRY(there_and_back(c, 1, pixels + k * c->plane));
  return FACET_OK;
}
