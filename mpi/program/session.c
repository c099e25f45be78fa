/* Sessions: see session.h. */
#include "session.h"

#include "ranks/agree.h"

static facet_status read_study(const char *file, facet_session *s)
{
  size_t count;
  FACET_TRY(facet_study_read(file, facet_store_name_taken, &s->study));
  facet_kernels_threads(s->study->settings.threads);
  FACET_TRY(facet_read_file(file, &s->text, &count));
  return facet_study_text(s->study, &s->filled);
}

facet_status facet_session_study(MPI_Comm comm, const char *file, facet_session *s)
{
  return facet_agree(comm, read_study(file, s));
}

facet_status facet_session_read(MPI_Comm comm, const char *file, facet_session *s)
{
  FACET_TRY(facet_session_study(comm, file, s));
  return facet_study_data_read(comm, s->study, &s->data);
}

facet_making facet_session_making(const facet_session *s)
{
  const facet_study *study = s->study;
  return (facet_making){&study->settings, &study->data, &study->model, &study->recipes, &s->data, false};
}

void facet_session_clear(facet_session *s)
{
  facet_session_forget_plan(s);
  facet_family_clear(&s->family);
  facet_study_data_clear(&s->data);
  facet_study_destroy(&s->study);
  facet_free(&s->text);
  facet_free(&s->filled);
}

void facet_session_phase(MPI_Comm comm, const char *what)
{
  if (facet_rank(comm) == 0)
    facet_phase(what);
}
