mod openlineage;
mod shared_data;
